"""Skip connections by addition and concatenation: their positions, and their way past pools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node, spatial_inputs
from core.layers import (
    AbstractActivation,
    AbstractConvolution,
    AbstractLayer,
    AbstractPool,
    Channels,
    Dense,
    Embedding,
    Input,
    Shape,
    Zero,
    family_of,
)
from core.morphisms.abstract import factor_nodes, layer_at, name_of


@dataclass(frozen=True, slots=True)
class Skip:
    """The new nodes that bring the values of `start` to the spatial shape of `end`."""

    nodes: tuple[Node, ...]  # copies of the layers between that change the spatial axes
    source: int  # the last of them, or `start`
    next_id: int  # the first unused id


def plan_skip(architecture: Architecture, start: int, end: int) -> Skip:
    """The skip from `start` to the shape of `end`; raises IllegalMorphism if there can be none."""
    layer_at(architecture, start)
    layer_at(architecture, end)
    if start == architecture.nodes[0].id and architecture.vocabulary is not None:
        raise IllegalMorphism("a skip cannot start at token numbers; expected their embedding")
    path = path_between(architecture, start, end)
    if path is None:
        raise IllegalMorphism(f"node {start} does not lead to node {end}; a skip goes forwards")
    nodes: list[Node] = []
    source, shape, next_id = start, architecture.shapes[start], architecture.next_id
    for layer in _shortcuts(architecture, path):
        nodes.append(Node(next_id, layer, (source,)))
        source, shape, next_id = next_id, layer.output_shape([shape]), next_id + 1
    if shape[1:] != architecture.shapes[end][1:]:
        raise IllegalMorphism(
            f"a skip from node {start} arrives with shape {shape}; "
            f"node {end} has {architecture.shapes[end]}"
        )
    return Skip(tuple(nodes), source, next_id)


def path_between(architecture: Architecture, start: int, end: int) -> list[int] | None:
    """The nodes of one path from `start` (left out) to `end`; None if there is none."""
    spatial_ancestors = architecture.spatial_ancestors
    if start not in spatial_ancestors[end]:
        return None
    path = [end]
    while start not in (sources := spatial_inputs(architecture.node(path[-1]))):
        path.append(next(source for source in sources if start in spatial_ancestors[source]))
    return path[::-1]


def projection(shape: Shape, width: int) -> AbstractLayer:
    """The layer that maps values of this shape to `width` channels, at each position separately."""
    return family_of(shape).convolution(width, kernel=1) if len(shape) > 1 else Dense(width)


def skip_positions(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    """The (start, end) of the skips worth trying: past an activation, to the input of another."""
    return architecture.cached(_skip_positions)


def _skip_positions(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    return tuple(_generate_positions(architecture))


def _generate_positions(architecture: Architecture) -> Iterator[tuple[int, int]]:
    spatial_ancestors, left_out = architecture.spatial_ancestors, architecture.cached(factor_nodes)
    relus = [
        node
        for node in architecture.nodes
        if isinstance(node.layer, AbstractActivation) and node.id not in left_out
    ]
    ends = {source for relu in relus for source in relu.inputs} - {architecture.logits}
    targets = [(end, _skip_sources(architecture, end)) for end in sorted(ends)]
    for node in architecture.nodes:
        if _is_start(architecture, node):
            passed = {relu.id for relu in relus if node.id in spatial_ancestors[relu.id]}
            for end, sources in targets:
                if node.id not in sources and not passed.isdisjoint(spatial_ancestors[end]):
                    yield node.id, end


def describe_skip(architecture: Architecture, start: int, end: int) -> str:
    """The start and the end of a skip in words."""
    return f"from {name_of(architecture, start)} to {name_of(architecture, end)}"


def _shortcuts(architecture: Architecture, path: Sequence[int]) -> Iterator[AbstractLayer]:
    """Layers without weights that change the spatial axes as the layers on the path do."""
    for node_id in path:
        node = architecture.node(node_id)
        shortcut = node.layer.shortcut(architecture.input_shapes(node))
        if shortcut is not None:
            yield shortcut


def _is_start(architecture: Architecture, node: Node) -> bool:
    """Whether the node gives activations and its only reader is not a pool or a dropout.

    Token numbers are no activations; their embedding is.
    """
    if isinstance(node.layer, Input) and architecture.vocabulary is not None:
        return False
    is_activation = architecture.nonnegative[node.id] and not isinstance(node.layer, Zero)
    if not (isinstance(node.layer, Input | Embedding | AbstractActivation) or is_activation):
        return False
    readers = [architecture.node(reader) for reader in architecture.readers(node.id)]
    if len(readers) != 1:
        return True
    (reader,) = readers
    keeps_channels = reader.layer.channels in (Channels.SAME, Channels.FLATTENED)
    return not (keeps_channels and architecture.nonnegative[reader.id])


def _skip_sources(architecture: Architecture, end: int) -> set[int]:
    """The nodes that already reach `end` only through projections, sums and pools."""
    sources: set[int] = set()
    stack = [end]
    while stack:
        for source in architecture.node(stack.pop()).inputs:
            if source not in sources and _is_linear(architecture, architecture.node(source)):
                stack.append(source)
            sources.add(source)
    return sources


def _is_linear(architecture: Architecture, node: Node) -> bool:
    """Whether the node only projects, joins or pools its inputs."""
    match node.layer:
        case Dense() | AbstractConvolution(kernel=1) | AbstractPool():
            return True
        case Zero():
            return False
        case layer if layer.channels in (Channels.UNIFIED, Channels.JOINED):
            return True
        case layer:
            return layer.shortcut(architecture.input_shapes(node)) is not None
