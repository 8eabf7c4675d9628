"""The mean of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import AvgPool1d, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("avg_pool1d")
class AvgPool1dModule(nn.AvgPool1d, AbstractModule[AvgPool1d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: AvgPool1d, inputs: Sequence[Shape]) -> Self:
        return cls(
            layer.size,
            layer.stride,
            layer.padding,
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
        )
