"""The largest value of each window."""

from collections.abc import Sequence
from math import inf
from typing import Self

from torch import Tensor, nn

from core.layers import MaxPool1d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded


@MODULES.register("max_pool1d")
class MaxPool1dModule(nn.MaxPool1d, AbstractModule[MaxPool1d]):
    """torch's pool, of values that are padded first where the ends differ."""

    ends: Ends = ()

    @classmethod
    def of(cls, layer: MaxPool1d, inputs: Sequence[Shape]) -> Self:
        made = cls(
            layer.size, layer.stride, layer.padding, layer.dilation, ceil_mode=layer.ceil_mode
        )
        made.ends = layer.ends if layer.pads else ()
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')"""
        largest: Tensor = super().forward(padded(x, self.ends, -inf))
        return largest
