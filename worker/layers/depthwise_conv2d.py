"""Depthwise convolution."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import DepthwiseConv2d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.padding import Ends, padded, remaining, shared
from worker.layers.precision import in_float32_on_cpu


@MODULES.register("depthwise_conv2d")
class DepthwiseConv2dModule(nn.Conv2d, AbstractModule[DepthwiseConv2d]):
    """torch's convolution with one group for each channel, with padding for each end."""

    ends: Ends = ()  # padding beyond that of torch's convolution

    @classmethod
    def of(cls, layer: DepthwiseConv2d, inputs: Sequence[Shape]) -> Self:
        width, (vertical, horizontal) = inputs[0][0], shared(layer.ends)
        sizes = width, width, layer.kernel, layer.stride
        made = cls(*sizes, (vertical, horizontal), groups=width, bias=layer.bias)
        made.ends = remaining(layer.ends)
        return made

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')"""
        return in_float32_on_cpu(super().forward, padded(x, self.ends))
