"""What widening and narrowing share: the width variables that may change."""

from collections.abc import Iterator

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.layers import Channels
from core.morphisms.abstract import layer_at, name_of


def width_at(architecture: Architecture, node_id: int, place: int) -> Segment:
    """A segment whose width may change; raises IllegalMorphism elsewhere."""
    name = f"segment {place} of node {node_id}"
    layer = layer_at(architecture, node_id)
    segments = architecture.segments[node_id]
    if layer.channels is not Channels.OWN or not 0 <= place < len(segments):
        raise IllegalMorphism(f"{name} ({layer!r}) is not a width; expected one of a layer")
    if segments[place].frozen:
        raise IllegalMorphism(f"{name} is tied to the data or the classes: it cannot change")
    return segments[place]


def free_widths(architecture: Architecture) -> Iterator[tuple[Node, int, Segment]]:
    """Each width variable that may change once: where it is made first."""
    seen: set[int] = set()
    for node in architecture.nodes:
        if node.layer.channels is Channels.OWN:
            for place, segment in enumerate(architecture.segments[node.id]):
                if not segment.frozen and segment.variable not in seen:
                    seen.add(segment.variable)
                    yield node, place, segment


def producers(architecture: Architecture, variable: int) -> Iterator[tuple[Node, int]]:
    """The nodes that make channels of a variable, and how often each."""
    for node in architecture.nodes:
        if node.layer.channels is Channels.OWN:
            segments = architecture.segments[node.id]
            if count := sum(segment.variable == variable for segment in segments):
                yield node, count


def in_words(verb: str, architecture: Architecture, node_id: int, child: Architecture) -> str:
    """What a change does to the width of a node."""
    old, new = (one.shapes[node_id][0] for one in (architecture, child))
    return f"{verb} {name_of(architecture, node_id)} from {old} to {new} channels"


def resized(architecture: Architecture, variable: int, more: int) -> Architecture:
    """The architecture with `more` channels of the variable, fewer where that is below zero."""
    return architecture.with_layers(
        {
            node.id: node.layer.with_width(architecture.shapes[node.id][0] + count * more)
            for node, count in producers(architecture, variable)
        }
    )
