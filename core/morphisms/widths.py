"""The width variables that may change, for widening and narrowing."""

from collections.abc import Iterator

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.layers import Channels
from core.morphisms.abstract import layer_at, name_of


def width_at(architecture: Architecture, node_id: int, index: int) -> Segment:
    """The segment at this index, if its width may change; raises IllegalMorphism if not."""
    name = f"segment {index} of node {node_id}"
    layer = layer_at(architecture, node_id)
    segments = architecture.segments[node_id]
    if layer.channels is not Channels.OWN or not 0 <= index < len(segments):
        raise IllegalMorphism(
            f"{name} ({layer!r}) is not a width; expected a segment of a convolution or dense layer"
        )
    if segments[index].frozen:
        raise IllegalMorphism(f"{name} is tied to the data or the classes: it cannot change")
    return segments[index]


def free_widths(architecture: Architecture) -> Iterator[tuple[Node, int, Segment]]:
    """Each width variable that may change, once: the first node that makes it, index, segment."""
    seen: set[int] = set()
    for node in architecture.nodes:
        if node.layer.channels is Channels.OWN:
            for index, segment in enumerate(architecture.segments[node.id]):
                if not segment.frozen and segment.variable not in seen:
                    seen.add(segment.variable)
                    yield node, index, segment


def producers(architecture: Architecture, variable: int) -> Iterator[tuple[Node, int]]:
    """The nodes that make channels of a variable, with the number of segments that each makes."""
    for node in architecture.nodes:
        if node.layer.channels is Channels.OWN:
            segments = architecture.segments[node.id]
            if count := sum(segment.variable == variable for segment in segments):
                yield node, count


def in_words(verb: str, architecture: Architecture, node_id: int, child: Architecture) -> str:
    """The change of a node's width in words."""
    old, new = (network.shapes[node_id][0] for network in (architecture, child))
    return f"{verb} {name_of(architecture, node_id)} from {old} to {new} channels"


def resize(architecture: Architecture, variable: int, more: int) -> Architecture:
    """The architecture with `more` channels of the variable; fewer if `more` is negative."""
    return architecture.with_layers(
        {
            node.id: node.layer.with_width(architecture.shapes[node.id][0] + count * more)
            for node, count in producers(architecture, variable)
        }
    )
