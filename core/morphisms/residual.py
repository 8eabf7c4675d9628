"""Insert a residual block whose last layer is zero at first: x becomes x + 0.

He et al. 2016 (arXiv:1512.03385), with the last scale at zero as in Goyal et al. 2017
(arXiv:1706.02677, section 5.1). Unlike an identity block it changes nothing in training mode
either, and it can be inserted behind any values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import AbstractLayer, Add, BatchNorm, Dense, ReLU, Shape, family_of
from core.layers.windows import window_size
from core.morphisms.abstract import (
    MORPHISMS,
    AbstractMorphism,
    TransferRequest,
    dtype_of,
    excluded_nodes,
    name_of,
    shape_at,
)
from core.morphisms.insertion import in_a_row
from core.morphisms.moments import new_parameters
from core.protocol.contracts.bounds import Bounds

KERNEL = 3
MAX_WEIGHT_RATIO = 4  # the weights of a block worth trying, over the parameters of the network


@MORPHISMS.register("residual")
@dataclass(frozen=True, slots=True)
class Residual(AbstractMorphism):
    """Insert two convolutions or dense layers with a skip around them behind a node.

    A ReLU follows if the node's output is never negative, so that this stays true.
    """

    node_id: int

    def apply(self, architecture: Architecture) -> Architecture:
        return architecture.with_inserted(self.node_id, self._new_nodes(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        child = self.apply(architecture)
        new: Weights = {}
        for node in self._new_nodes(architecture):
            if parameters := new_parameters(
                child, weights | new, node, request.rng, dtype_of(weights)
            ):
                new[node.id] = parameters
        last = new[max(new)]
        last["weight"] = np.zeros_like(last["weight"])  # the biases are zero already
        return weights | new

    def describe(self, architecture: Architecture) -> str:
        return f"insert a residual block behind {name_of(architecture, self.node_id)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node_id in block_positions(architecture, bounds):
            if _weights(architecture.shapes[node_id]) <= MAX_WEIGHT_RATIO * architecture.parameters:
                yield cls(node_id)

    def _new_nodes(self, architecture: Architecture) -> list[Node]:
        branch = self._branch(shape_at(architecture, self.node_id))
        nodes = in_a_row(self.node_id, architecture.next_id, branch)
        last = nodes[-1].id
        nodes.append(Node(last + 1, Add(), (self.node_id, last)))
        if architecture.nonnegative[self.node_id]:
            nodes.append(Node(last + 2, ReLU(), (last + 1,)))
        return nodes

    def _branch(self, shape: Shape) -> tuple[AbstractLayer, ...]:
        """The layers beside the skip; their output is zero if the weight of the last one is."""
        width = shape[0]
        if len(shape) == 1:
            return (Dense(width), ReLU(), Dense(width))
        convolution = family_of(shape).convolution(width, KERNEL)
        return (convolution, BatchNorm(), ReLU(), convolution, BatchNorm())


def _weights(shape: Shape) -> int:
    """The number of weights of a block behind values of this shape; large behind a flattening."""
    width, *sides = shape
    return 2 * width**2 * window_size(KERNEL, len(sides))


def block_positions(architecture: Architecture, bounds: Bounds) -> Iterator[int]:
    """The ids of the nodes behind which a residual block is worth trying."""
    left_out = architecture.cached(excluded_nodes)
    for node in architecture.nodes[:-1]:
        is_narrow = architecture.shapes[node.id][0] <= bounds.width
        if is_narrow and architecture.nonnegative[node.id] and node.id not in left_out:
            yield node.id
