"""Two-dimensional convolution."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import Conv2d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded, remaining, shared


@MODULES.register("conv2d")
class Conv2dModule(nn.Conv2d, AbstractModule[Conv2d]):
    """torch's convolution, with padding of its own for each end."""

    ends: Ends = ()  # padding beyond that of torch's convolution

    @classmethod
    def of(cls, layer: Conv2d, inputs: Sequence[Shape]) -> Self:
        channels, (vertical, horizontal) = inputs[0][0], shared(layer.ends)
        sizes = channels, layer.filters, layer.kernel, layer.stride
        made = cls(*sizes, (vertical, horizontal), bias=layer.bias)
        made.ends = remaining(layer.ends)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, filters, H', W')"""
        return super().forward(padded(x, self.ends))
