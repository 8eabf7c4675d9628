"""Remove a layer, with the batch norm and the activation that belong to it.

The layer's readers then read its input, so that only a layer that keeps the shape can be removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import AbstractPool, AbstractRectifier, BatchNorm, Dropout, Embedding
from core.morphisms.abstract import MORPHISMS, layer_at, name_of
from core.morphisms.reduction import Reduction
from core.morphisms.shrinking import AbstractShrinking
from core.protocol.contracts.bounds import Bounds


@MORPHISMS.register("remove_layer")
@dataclass(frozen=True, slots=True)
class RemoveLayer(AbstractShrinking):
    """Remove a layer whose output has the shape of its input.

    A batch norm behind a convolution or dense layer is removed with it, and so is the ReLU or
    ReLU6 behind if the layer's input is never negative.
    """

    node_id: int

    def describe(self, architecture: Architecture) -> str:
        return f"remove {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes[:-1]:
            if node.id != architecture.logits and _removable(architecture, node):
                morphism = cls(node.id)
                is_part = _is_norm_of_convolution(architecture, node)
                if not is_part and not _is_branch(architecture, morphism._block(architecture)):
                    yield morphism

    def reduction(self, architecture: Architecture) -> Reduction:
        return Reduction(bypassed=frozenset(self._block(architecture)))

    def _block(self, architecture: Architecture) -> list[int]:
        """The layer and the nodes removed with it; raises IllegalMorphism if it must stay."""
        layer_at(architecture, self.node_id)
        node = architecture.node(self.node_id)
        if not _removable(architecture, node):
            raise IllegalMorphism(
                f"node {node.id} ({node.layer!r}) cannot be removed; "
                "expected a layer with weights, a pool or a dropout that keeps its input's shape"
            )
        block = [self.node_id]
        if node.layer.axes and not isinstance(node.layer, BatchNorm):
            for kind in (BatchNorm, AbstractRectifier):
                readers = [architecture.node(r) for r in architecture.readers(block[-1])]
                if len(readers) == 1 and isinstance(readers[0].layer, kind):
                    block.append(readers[0].id)
        is_needed = not architecture.nonnegative[node.inputs[0]]
        if is_needed and isinstance(architecture.node(block[-1]).layer, AbstractRectifier):
            block.pop()
        return block


def _removable(architecture: Architecture, node: Node) -> bool:
    """Whether the node has weights, pools or drops, and keeps the shape of its only input."""
    inputs = architecture.input_shapes(node)
    if len(inputs) != 1 or inputs[0] != architecture.shapes[node.id]:
        return False
    if isinstance(node.layer, Embedding):  # of one unit
        return False
    return bool(node.layer.axes) or isinstance(node.layer, AbstractPool | Dropout)


def _is_norm_of_convolution(architecture: Architecture, node: Node) -> bool:
    """Whether the node is a batch norm of a convolution, which trains worse without it."""
    if not isinstance(node.layer, BatchNorm):
        return False
    (source,) = node.inputs
    layer = architecture.node(source).layer
    is_vector = len(architecture.shapes[source]) == 1
    return bool(layer.axes) and not isinstance(layer, BatchNorm) and not is_vector


def _is_branch(architecture: Architecture, block: list[int]) -> bool:
    """Whether the block is the only thing beside a skip, whose ends would then be the same node."""
    (source,) = architecture.node(block[0]).inputs
    readers = [architecture.node(reader) for reader in architecture.readers(block[-1])]
    return any(source in reader.inputs for reader in readers)
