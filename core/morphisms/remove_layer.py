"""Remove a layer, with the batch norm and the activation that belong to it.

What read the layer reads its input instead, so that only layers which keep the shape can go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import AbstractPool, AbstractRectifier, BatchNorm, Dropout
from core.morphisms.abstract import MORPHISMS, layer_at, name_of
from core.morphisms.reduction import Reduction
from core.morphisms.shrinking import AbstractShrinking
from core.protocol.contracts import Bounds


@MORPHISMS.register("remove_layer")
@dataclass(frozen=True, slots=True)
class RemoveLayer(AbstractShrinking):
    """Take a layer out that gives values of the shape that it reads.

    A batch norm behind a convolution or dense layer goes with it, and the ReLU or ReLU6 behind
    where the values are never below zero without it.
    """

    node_id: int

    def describe(self, architecture: Architecture) -> str:
        return f"remove {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes[:-1]:
            if node.id != architecture.logits and _removable(architecture, node):
                found = cls(node.id)
                part = isinstance(node.layer, BatchNorm) and _is_of_convolution(architecture, node)
                if not part and not _is_branch(architecture, found._block(architecture)):
                    yield found

    def reduction(self, architecture: Architecture) -> Reduction:
        return Reduction(bypassed=frozenset(self._block(architecture)))

    def _block(self, architecture: Architecture) -> list[int]:
        """The layer and what goes with it; raises IllegalMorphism where it cannot go."""
        layer_at(architecture, self.node_id)
        node = architecture.node(self.node_id)
        if not _removable(architecture, node):
            raise IllegalMorphism(
                f"node {node.id} ({node.layer!r}) cannot go; expected a layer that has weights, "
                "pools or drops, and gives values of the shape that it reads"
            )
        block = [self.node_id]
        if node.layer.axes and not isinstance(node.layer, BatchNorm):
            for kind in (BatchNorm, AbstractRectifier):
                readers = [architecture.node(r) for r in architecture.readers(block[-1])]
                if len(readers) == 1 and isinstance(readers[0].layer, kind):
                    block.append(readers[0].id)
        needed = not architecture.nonnegative[node.inputs[0]]
        if needed and isinstance(architecture.node(block[-1]).layer, AbstractRectifier):
            block.pop()
        return block


def _removable(architecture: Architecture, node: Node) -> bool:
    """Whether the node only works on values whose shape it keeps."""
    inputs = architecture.input_shapes(node)
    if len(inputs) != 1 or inputs[0] != architecture.shapes[node.id]:
        return False
    return bool(node.layer.axes) or isinstance(node.layer, AbstractPool | Dropout)


def _is_of_convolution(architecture: Architecture, norm: Node) -> bool:
    """Whether a batch norm belongs to the convolution before it: that trains worse without."""
    (source,) = norm.inputs
    layer = architecture.node(source).layer
    is_vector = len(architecture.shapes[source]) == 1
    return bool(layer.axes) and not isinstance(layer, BatchNorm) and not is_vector


def _is_branch(architecture: Architecture, block: list[int]) -> bool:
    """Whether what is left would be joined with itself: a skip without anything beside it."""
    (source,) = architecture.node(block[0]).inputs
    readers = [architecture.node(reader) for reader in architecture.readers(block[-1])]
    return any(source in reader.inputs for reader in readers)
