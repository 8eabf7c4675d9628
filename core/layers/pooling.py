"""Pooling along any number of spatial axes: of windows, or of everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import ClassVar

import numpy as np

from core.layers.abstract import (
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    check_positive,
    spatial,
)
from core.layers.windows import by_place, pooled, volume


@dataclass(frozen=True, slots=True)
class AbstractPool(AbstractLayer):
    """One value for each window; no padding, incomplete windows are dropped."""

    size: int = 2
    stride: int = 2

    channels: ClassVar[Channels] = Channels.SAME
    spatial_axes: ClassVar[int]

    def __post_init__(self) -> None:
        check_positive(self, size=self.size, stride=self.stride)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sides = spatial(self, inputs[0], self.spatial_axes)
        return (inputs[0][0], *pooled(self, sides, self.size, self.stride))

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(self.output_shape(inputs)) * volume(self.size, self.spatial_axes)

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self


@dataclass(frozen=True, slots=True)
class AbstractMaxPool(AbstractPool):
    """The largest value of each window."""

    title: ClassVar[str] = "max pool"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = reduce(np.maximum, by_place(inputs[0], self.size, self.stride))
        return y

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 3 * prod(self.output_shape(inputs))  # the indices are eight bytes each


@dataclass(frozen=True, slots=True)
class AbstractAvgPool(AbstractPool):
    """The mean of each window."""

    title: ClassVar[str] = "average pool"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        total: Array = reduce(np.add, by_place(inputs[0], self.size, self.stride))
        y: Array = total / volume(self.size, self.spatial_axes)
        return y


@dataclass(frozen=True, slots=True)
class AbstractGlobalAvgPool(AbstractLayer):
    """The mean of each channel: a vector."""

    title: ClassVar[str] = "global average pool"
    channels: ClassVar[Channels] = Channels.SAME
    spatial_axes: ClassVar[int]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        spatial(self, inputs[0], self.spatial_axes)
        return inputs[0][:1]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0].mean(axis=tuple(range(2, inputs[0].ndim)))
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self


def strided_pool(pool: type[AbstractPool], sides: Shape, stride: int) -> AbstractLayer | None:
    """The average pool that reduces as a convolution's stride does; None where nothing does."""
    if stride == 1:
        return None
    whole = all(side % stride == 0 for side in sides)
    return pool(stride if whole else 1, stride)
