"""Remove a skip: one input of a sum or a concatenation, with what only served it.

Of a residual block either way may go: the skip, or the layers beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Channels
from core.morphisms.abstract import MORPHISMS, layer_at, name_of
from core.morphisms.reduction import Reduction
from core.morphisms.shrinking import AbstractShrinking
from core.protocol.contracts import Bounds

LARGEST = 3  # layers with weights that one removal may take; batch norms not counted


@MORPHISMS.register("remove_skip")
@dataclass(frozen=True, slots=True)
class RemoveSkip(AbstractShrinking):
    """Take one input from a node that has several; with one left it is passed by."""

    node_id: int
    place: int  # among the inputs

    def describe(self, architecture: Architecture) -> str:
        node = architecture.node(self.node_id)
        source = name_of(architecture, node.inputs[self.place])
        return f"remove the skip from {source} to {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes:
            for place in range(len(node.inputs)):
                if (
                    _is_skip(node, place)
                    and _parts_are_free(architecture, node)
                    and _served(architecture, node, place) <= LARGEST
                ):
                    yield cls(node.id, place)

    def reduction(self, architecture: Architecture) -> Reduction:
        layer_at(architecture, self.node_id)
        node = architecture.node(self.node_id)
        if not _is_skip(node, self.place):
            raise IllegalMorphism(
                f"node {node.id} ({node.layer!r}) has no skip at place {self.place}"
            )
        return Reduction(edges=frozenset({(self.node_id, self.place)}))


def _is_skip(node: Node, place: int) -> bool:
    """Whether the node can do without this input; what is scaled must stay."""
    first = 0 if node.layer.inputs is None else 1
    return len(node.inputs) > 1 and first <= place < len(node.inputs)


def _parts_are_free(architecture: Architecture, node: Node) -> bool:
    """Whether nobody relies on all parts of a concatenation."""
    if node.layer.channels is not Channels.JOINED:
        return True
    waiting = [node.id]
    while waiting:
        for reader in architecture.readers(waiting.pop()):
            channels = architecture.node(reader).layer.channels
            if channels is Channels.UNIFIED or reader == architecture.nodes[-1].id:
                return False
            if channels is not Channels.OWN:
                waiting.append(reader)
    return True


def _served(architecture: Architecture, node: Node, place: int) -> int:
    """How many layers that make channels serve this input alone."""
    others = {source for one, source in enumerate(node.inputs) if one != place}
    gone: set[int] = set()
    waiting = [node.inputs[place]]
    while waiting:
        source = waiting.pop()
        readers = set(architecture.readers(source)) - {node.id}
        if source not in others and readers <= gone:
            gone.add(source)
            waiting.extend(architecture.node(source).inputs)
    return sum(architecture.node(one).layer.channels is Channels.OWN for one in gone)
