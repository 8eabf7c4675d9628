"""The mean of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import AvgPool2d, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("avg_pool2d")
class AvgPool2dModule(nn.AvgPool2d, AbstractModule[AvgPool2d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: AvgPool2d, inputs: Sequence[Shape]) -> Self:
        return cls(
            layer.size,
            layer.stride,
            layer.padding,
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
        )
