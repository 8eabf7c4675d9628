"""The mean of each window."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import AvgPool2d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded


@MODULES.register("avg_pool2d")
class AvgPool2dModule(nn.AvgPool2d, AbstractModule[AvgPool2d]):
    """torch's pool, of values that are padded first where the ends differ."""

    ends: Ends = ()

    @classmethod
    def of(cls, layer: AvgPool2d, inputs: Sequence[Shape]) -> Self:
        (height, width), (down, right) = layer.sizes, layer.strides
        made = cls(
            (height, width),
            (down, right),
            layer.padding,
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
        )
        made.ends = layer.ends if layer.pads else ()
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')"""
        means = super().forward(padded(x, self.ends))
        if self.count_include_pad or not self.ends:
            return means
        present = x.new_ones((1, 1, *x.shape[2:]))
        return means / super().forward(padded(present, self.ends))  # the share of real values
