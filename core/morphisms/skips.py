"""What the two kinds of skip connection share: where they may go, and their way past pools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node, carried
from core.layers import (
    AbstractConvolution,
    AbstractLayer,
    AbstractPool,
    AbstractRectifier,
    Channels,
    Dense,
    Input,
    Shape,
    Zero,
    family_of,
)
from core.morphisms.abstract import layer_at, name_of, steering


@dataclass(frozen=True, slots=True)
class Skip:
    """The new nodes that carry `start` to the spatial shape of `end`."""

    nodes: tuple[Node, ...]  # copies of the layers between that change the spatial axes
    source: int  # the last of them, or `start`
    next_id: int  # the first id that is still free


def plan_skip(architecture: Architecture, start: int, end: int) -> Skip:
    """The start of a skip; raises IllegalMorphism where there can be none."""
    layer_at(architecture, start)
    layer_at(architecture, end)
    path = path_between(architecture, start, end)
    if path is None:
        raise IllegalMorphism(f"a skip goes forwards; node {start} does not lead to node {end}")
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
    """The nodes of one way from `start` (left out) to `end`; None where there is none."""
    carriers = architecture.carriers
    if start not in carriers[end]:
        return None
    path = [end]
    while start not in (sources := carried(architecture.node(path[-1]))):
        path.append(next(source for source in sources if start in carriers[source]))
    return path[::-1]


def projection(shape: Shape, width: int) -> AbstractLayer:
    """The layer that maps values of this shape to `width` channels, place by place."""
    return family_of(shape).convolution(width, kernel=1) if len(shape) > 1 else Dense(width)


def places(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    """The (start, end) of the skips worth trying: past an activation, into the input of one."""
    return architecture.of(_places)


def _places(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    return tuple(_find_places(architecture))


def _find_places(architecture: Architecture) -> Iterator[tuple[int, int]]:
    carriers, left_out = architecture.carriers, architecture.of(steering)
    relus = [
        node
        for node in architecture.nodes
        if isinstance(node.layer, AbstractRectifier) and node.id not in left_out
    ]
    ends = {source for relu in relus for source in relu.inputs} - {architecture.logits}
    targets = [(end, _skip_sources(architecture, end)) for end in sorted(ends)]
    for node in architecture.nodes:
        if _is_start(architecture, node):
            passed = {relu.id for relu in relus if node.id in carriers[relu.id]}
            for end, sources in targets:
                if node.id not in sources and not passed.isdisjoint(carriers[end]):
                    yield node.id, end


def describe_places(architecture: Architecture, start: int, end: int) -> str:
    """Where a skip goes, in words."""
    return f"from {name_of(architecture, start)} to {name_of(architecture, end)}"


def _shortcuts(architecture: Architecture, path: Sequence[int]) -> Iterator[AbstractLayer]:
    """Layers that change the spatial axes as those on the path do."""
    for node_id in path:
        node = architecture.node(node_id)
        shortcut = node.layer.shortcut(architecture.input_shapes(node))
        if shortcut is not None:
            yield shortcut


def _is_start(architecture: Architecture, node: Node) -> bool:
    """Whether the node gives activations that no pool or dropout alone reads."""
    is_activation = architecture.nonnegative[node.id] and not isinstance(node.layer, Zero)
    if not (isinstance(node.layer, Input) or is_activation):
        return False
    readers = [architecture.node(reader) for reader in architecture.readers(node.id)]
    if len(readers) != 1:
        return True
    (reader,) = readers
    same = reader.layer.channels in (Channels.SAME, Channels.FLATTENED)
    return not (same and architecture.nonnegative[reader.id])


def _skip_sources(architecture: Architecture, end: int) -> set[int]:
    """The nodes that already reach `end` through projections, sums and pools alone."""
    found: set[int] = set()
    stack = [end]
    while stack:
        for source in architecture.node(stack.pop()).inputs:
            if source not in found and _is_linear(architecture, architecture.node(source)):
                stack.append(source)
            found.add(source)
    return found


def _is_linear(architecture: Architecture, node: Node) -> bool:
    """Whether the node only projects, mixes or pools what it reads."""
    match node.layer:
        case Dense() | AbstractConvolution(kernel=1) | AbstractPool():
            return True
        case Zero():
            return False
        case layer if layer.channels in (Channels.UNIFIED, Channels.JOINED):
            return True
        case layer:
            return layer.shortcut(architecture.input_shapes(node)) is not None
