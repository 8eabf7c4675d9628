"""The mean of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import AvgPool2d, Shape
from worker.layers.twin import TWINS, AbstractTwin


@TWINS.register("avg_pool2d")
class AvgPool2dTwin(nn.AvgPool2d, AbstractTwin[AvgPool2d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: AvgPool2d, inputs: Sequence[Shape]) -> Self:
        return cls(
            layer.size, layer.stride, layer.padding, count_include_pad=layer.count_include_pad
        )
