"""Insert a depthwise-separable residual block whose last layer is zero at first.

Howard et al. 2017 (arXiv:1704.04861) and Sandler et al. 2018 (arXiv:1801.04381): a convolution
within each channel, then one across channels, with a fraction of the operations of a full one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.layers import AbstractLayer, BatchNorm, ReLU, Shape, family_of
from core.morphisms.abstract import MORPHISMS, name_of
from core.morphisms.residual import Residual, block_positions
from core.protocol.contracts.bounds import Bounds


@MORPHISMS.register("separable")
@dataclass(frozen=True, slots=True)
class Separable(Residual):
    """Insert a depthwise and a 1 × 1 convolution with a skip around them behind a node."""

    def describe(self, architecture: Architecture) -> str:
        name = name_of(architecture, self.node_id)
        return f"insert a depthwise-separable residual block behind {name}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node_id in block_positions(architecture, bounds):
            if len(architecture.shapes[node_id]) > 1:
                yield cls(node_id)

    def _branch(self, shape: Shape) -> tuple[AbstractLayer, ...]:
        if len(shape) == 1:
            raise IllegalMorphism(
                f"a depthwise-separable block does not fit values of shape {shape}; "
                "expected an image (channels, height, width) or a signal (channels, length)"
            )
        family = family_of(shape)
        mixing = family.convolution(shape[0], kernel=1)
        return (family.depthwise(), BatchNorm(), ReLU(), mixing, BatchNorm())
