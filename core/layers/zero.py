"""Zero operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.errors import InvalidArchitecture
from core.layers.abstract import (
    LAYERS,
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    check_positive,
)
from core.layers.avg_pool1d import AvgPool1d
from core.layers.avg_pool2d import AvgPool2d
from core.layers.pooling import strided_pool
from core.layers.windows import strided_sides


@LAYERS.register("zero")
@dataclass(frozen=True, slots=True)
class Zero(AbstractLayer):
    """Zeros of the input's shape; a stride reduces the sides as in a convolution.

    The operation of a missing edge in a cell: Liu, Simonyan & Yang 2019, arXiv:1806.09055;
    Dong & Yang 2020, arXiv:2001.00326.
    """

    stride: int = 1

    title: ClassVar[str] = "zero operation"
    channels: ClassVar[Channels] = Channels.SAME

    def __post_init__(self) -> None:
        check_positive(self, stride=self.stride)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        channels, *sides = inputs[0]
        if self.stride > 1 and not sides:
            raise InvalidArchitecture(
                f"Zero with stride {self.stride} got an input of shape {inputs[0]}; "
                "expected an image (channels, height, width) or a signal (channels, length)"
            )
        return (channels, *strided_sides(tuple(sides), self.stride))

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs
        return np.zeros((len(x), *self.output_shape([x.shape[1:]])), x.dtype)

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 0

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        _, *sides = inputs[0]
        pool = AvgPool1d if len(sides) == 1 else AvgPool2d
        return strided_pool(pool, tuple(sides), self.stride)
