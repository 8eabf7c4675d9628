"""Remove a skip: one input of a sum or a concatenation, with the layers that only it reads.

In a residual block this removes either the skip or the layers beside it.
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
from core.protocol.contracts.bounds import Bounds

MAX_LAYERS = 3  # that make channels; a removal that takes more is not tried


@MORPHISMS.register("remove_skip")
@dataclass(frozen=True, slots=True)
class RemoveSkip(AbstractShrinking):
    """Remove one input of a node that has several; a node with one remaining input is bypassed."""

    node_id: int
    place: int  # index of the input; the name is stored

    def describe(self, architecture: Architecture) -> str:
        node = architecture.node(self.node_id)
        source = name_of(architecture, node.inputs[self.place])
        return f"remove the skip from {source} to {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes:
            for index in range(len(node.inputs)):
                if (
                    _is_skip(node, index)
                    and _parts_are_free(architecture, node)
                    and _count_served(architecture, node, index) <= MAX_LAYERS
                ):
                    yield cls(node.id, index)

    def reduction(self, architecture: Architecture) -> Reduction:
        layer_at(architecture, self.node_id)
        node = architecture.node(self.node_id)
        if not _is_skip(node, self.place):
            raise IllegalMorphism(
                f"node {node.id} ({node.layer!r}) has no skip at input {self.place}; "
                f"it has {len(node.inputs)} inputs"
            )
        return Reduction(edges=frozenset({(self.node_id, self.place)}))


def _is_skip(node: Node, index: int) -> bool:
    """Whether this input of the node can be removed; the scaled input of a `Scale` cannot."""
    first = 0 if node.layer.inputs is None else 1
    return len(node.inputs) > 1 and first <= index < len(node.inputs)


def _parts_are_free(architecture: Architecture, node: Node) -> bool:
    """Whether no sum or output needs all parts of the node, if it is a concatenation."""
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


def _count_served(architecture: Architecture, node: Node, index: int) -> int:
    """The number of layers that make channels and are only read through this input."""
    others = {source for i, source in enumerate(node.inputs) if i != index}
    removed: set[int] = set()
    waiting = [node.inputs[index]]
    while waiting:
        source = waiting.pop()
        readers = set(architecture.readers(source)) - {node.id}
        if source not in others and readers <= removed:
            removed.add(source)
            waiting.extend(architecture.node(source).inputs)
    return sum(architecture.node(key).layer.channels is Channels.OWN for key in removed)
