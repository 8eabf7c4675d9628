"""Max pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import ClassVar

import numpy as np

from core.layers.abstract import (
    LAYERS,
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    check_positive,
)
from core.layers.pooling import pooled_shape, pooling_slices


@LAYERS.register("max_pool2d")
@dataclass(frozen=True, slots=True)
class MaxPool2d(AbstractLayer):
    """The largest value of each window; no padding, incomplete windows are dropped."""

    size: int = 2
    stride: int = 2

    title: ClassVar[str] = "max pool"
    channels: ClassVar[Channels] = Channels.SAME

    def __post_init__(self) -> None:
        check_positive(self, size=self.size, stride=self.stride)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return pooled_shape(self, inputs[0], self.size, self.stride)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        slices = pooling_slices(inputs[0], self.size, self.stride)
        y: Array = reduce(np.maximum, slices)
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(self.output_shape(inputs)) * self.size**2

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 3 * prod(self.output_shape(inputs))  # the indices are eight bytes each

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self
