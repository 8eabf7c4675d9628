"""One-dimensional convolution."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import Conv1d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded, remaining, shared


@MODULES.register("conv1d")
class Conv1dModule(nn.Conv1d, AbstractModule[Conv1d]):
    """torch's convolution, with padding of its own for each end."""

    ends: Ends = ()  # padding beyond that of torch's convolution

    @classmethod
    def of(cls, layer: Conv1d, inputs: Sequence[Shape]) -> Self:
        channels, (padding,) = inputs[0][0], shared(layer.ends)
        made = cls(channels, layer.filters, layer.kernel, layer.stride, padding, bias=layer.bias)
        made.ends = remaining(layer.ends)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, filters, L')"""
        return super().forward(padded(x, self.ends))
