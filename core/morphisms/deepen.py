"""Deepen: insert a block that starts as the identity.

Chen, Goodfellow & Shlens 2016 (Net2DeeperNet), arXiv:1511.05641, section 2.3. A block that ends
in a ReLU is only inserted behind values that are never negative, so that the ReLU changes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import (
    AbstractConvolution,
    AbstractLayer,
    Array,
    BatchNorm,
    Channels,
    Dense,
    Dropout,
    Input,
    ReLU,
    Shape,
    family_of,
)
from core.layers.batch_norm import EPSILON
from core.morphisms.abstract import (
    MORPHISMS,
    AbstractMorphism,
    DType,
    TransferRequest,
    dtype_of,
    excluded_nodes,
    name_of,
    shape_at,
)
from core.morphisms.insertion import in_a_row
from core.morphisms.moments import Moments, estimate_moments
from core.protocol.contracts.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that can be inserted and together start as the identity."""

    words: str  # {window} is replaced by the convolution's window
    ranks: tuple[int, ...]  # of the values that it fits: 3 images, 2 signals, 1 vectors
    layers: Callable[[Shape], tuple[AbstractLayer, ...]]  # for values of a shape
    kernel: int = 1


BLOCKS = {
    "conv3": Block(
        words="a {window} convolution with batch norm and ReLU",
        ranks=(2, 3),
        layers=lambda shape: _convolution(shape, 3),
        kernel=3,
    ),
    "conv5": Block(
        words="a {window} convolution with batch norm and ReLU",
        ranks=(2, 3),
        layers=lambda shape: _convolution(shape, 5),
        kernel=5,
    ),
    "dense": Block(
        words="a dense layer with ReLU",
        ranks=(1,),
        layers=lambda shape: (Dense(shape[0]), ReLU()),
    ),
    "batch_norm": Block(
        words="a batch norm",
        ranks=(1, 2, 3),
        layers=lambda shape: (BatchNorm(),),
    ),
    "dropout": Block(
        words="a dropout of 20 %",
        ranks=(1,),
        layers=lambda shape: (Dropout(0.2),),
    ),
}


def _convolution(shape: Shape, kernel: int) -> tuple[AbstractLayer, ...]:
    return (family_of(shape).convolution(shape[0], kernel), BatchNorm(), ReLU())


@MORPHISMS.register("deepen")
@dataclass(frozen=True, slots=True)
class Deepen(AbstractMorphism):
    """Insert a block between a node and all its readers."""

    node_id: int
    block: str  # a key of BLOCKS

    def apply(self, architecture: Architecture) -> Architecture:
        return architecture.with_inserted(self.node_id, self._new_nodes(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        inserted = self._new_nodes(architecture)
        width = architecture.shapes[self.node_id][0]
        moments = estimate_moments(architecture, weights, self.node_id)
        dtype = dtype_of(weights)
        new = {node.id: _identity(node.layer, width, moments, dtype) for node in inserted}
        return weights | {node_id: arrays for node_id, arrays in new.items() if arrays}

    def describe(self, architecture: Architecture) -> str:
        words = _words(_block(self.block), architecture.shapes[self.node_id])
        return f"insert {words} behind {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        left_out = architecture.cached(excluded_nodes)
        for node in architecture.nodes[:-1]:
            if node.id in left_out:
                continue
            shape = architecture.shapes[node.id]
            if shape[0] <= bounds.width and architecture.nonnegative[node.id]:
                blocks = ("conv3", "conv5") if len(shape) > 1 else ("dense",)
                yield from (cls(node.id, block) for block in blocks)
            if _lacks_norm(architecture, node):
                yield cls(node.id, "batch_norm")
            if _lacks_dropout(architecture, node):
                yield cls(node.id, "dropout")

    def _new_nodes(self, architecture: Architecture) -> list[Node]:
        """The inserted nodes; raises IllegalMorphism if the block does not fit."""
        block, shape = _block(self.block), shape_at(architecture, self.node_id)
        if len(shape) not in block.ranks:
            raise IllegalMorphism(f"{_words(block, shape)} does not fit values of shape {shape}")
        layers = block.layers(shape)
        if isinstance(layers[-1], ReLU) and not architecture.nonnegative[self.node_id]:
            raise IllegalMorphism(
                f"{name_of(architecture, self.node_id)} may give values below zero, "
                f"which {_words(block, shape)} would change; expected a node behind a ReLU"
            )
        return in_a_row(self.node_id, architecture.next_id, layers)


def _block(name: str) -> Block:
    if name not in BLOCKS:
        raise IllegalMorphism(f"unknown block {name!r}; known are: {', '.join(BLOCKS)}")
    return BLOCKS[name]


def _words(block: Block, shape: Shape) -> str:
    """The block in words, with its window for values of this shape."""
    k = block.kernel
    return block.words.format(window=f"{k}-wide" if len(shape) == 2 else f"{k} × {k}")


def _lacks_norm(architecture: Architecture, node: Node) -> bool:
    """Whether the node makes channels that no batch norm reads."""
    if node.layer.channels is not Channels.OWN:
        return False
    readers = [architecture.node(reader).layer for reader in architecture.readers(node.id)]
    return not any(isinstance(layer, BatchNorm) for layer in readers)


def _lacks_dropout(architecture: Architecture, node: Node) -> bool:
    """Whether a dense layer reads features of the node that no dropout has thinned."""
    if isinstance(node.layer, Dropout | Input) or len(architecture.shapes[node.id]) != 1:
        return False
    readers = [architecture.node(reader).layer for reader in architecture.readers(node.id)]
    return any(isinstance(layer, Dense) for layer in readers)


def _identity(layer: AbstractLayer, width: int, moments: Moments, dtype: DType) -> dict[str, Array]:
    """The parameters with which the layer returns its input."""
    match layer:
        case AbstractConvolution():
            axes = layer.spatial_axes
            middle: tuple[int, ...] = (layer.kernel // 2,) * axes
            weight = np.zeros((width, width, *[layer.kernel] * axes), dtype)
            for channel in range(width):
                weight[(channel, channel, *middle)] = 1
            return {"weight": weight, "bias": np.zeros(width, dtype)}
        case Dense():
            return {"weight": np.eye(width, dtype=dtype), "bias": np.zeros(width, dtype)}
        case BatchNorm():
            mean, variance = (moment.astype(dtype) for moment in moments)
            deviation = np.sqrt(variance + dtype.type(EPSILON))
            return {
                "weight": deviation,
                "bias": mean,
                "running_mean": mean,
                "running_var": variance,
            }
        case _:
            return {}
