"""The mean of each window."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import AvgPool1d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded


@MODULES.register("avg_pool1d")
class AvgPool1dModule(nn.AvgPool1d, AbstractModule[AvgPool1d]):
    """torch's pool, of values that are padded first where the ends differ."""

    ends: Ends = ()

    @classmethod
    def of(cls, layer: AvgPool1d, inputs: Sequence[Shape]) -> Self:
        (size,), (stride,) = layer.sizes, layer.strides
        made = cls(
            size,
            stride,
            layer.padding,
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
        )
        made.ends = layer.ends if layer.pads else ()
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')"""
        means = super().forward(padded(x, self.ends))
        if self.count_include_pad or not self.ends:
            return means
        present = x.new_ones((1, 1, *x.shape[2:]))
        return means / super().forward(padded(present, self.ends))  # the share of real values
