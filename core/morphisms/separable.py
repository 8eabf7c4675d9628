"""Insert a depthwise-separable residual block whose last layer gives zero.

Howard et al. 2017 (arXiv:1704.04861) and Sandler et al. 2018 (arXiv:1801.04381): a convolution in
each channel, then one across channels, for a fraction of a full one's operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.architecture import Architecture
from core.contracts import Bounds
from core.errors import IllegalMorphism
from core.layers import AbstractLayer, BatchNorm, Conv2d, DepthwiseConv2d, ReLU, Shape
from core.morphisms.abstract import MORPHISMS, name_of
from core.morphisms.residual import Residual


@MORPHISMS.register("separable")
@dataclass(frozen=True, slots=True)
class Separable(Residual):
    """Insert a depthwise and a 1 × 1 convolution with a skip around them behind a node."""

    def describe(self, architecture: Architecture) -> str:
        place = name_of(architecture, self.node_id)
        return f"insert a depthwise-separable residual block behind {place}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes[:-1]:
            shape = architecture.shapes[node.id]
            if len(shape) == 3 and shape[0] <= bounds.width and architecture.nonnegative[node.id]:
                yield cls(node.id)

    def _branch(self, shape: Shape) -> tuple[AbstractLayer, ...]:
        if len(shape) != 3:
            raise IllegalMorphism(
                f"a depthwise-separable block does not fit values of shape {shape}; "
                "expected an image (channels, height, width)"
            )
        return (DepthwiseConv2d(), BatchNorm(), ReLU(), Conv2d(shape[0], 1), BatchNorm())
