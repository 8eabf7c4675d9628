"""Depthwise convolution."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import DepthwiseConv2d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.precision import in_float32_on_cpu


@MODULES.register("depthwise_conv2d")
class DepthwiseConv2dModule(nn.Conv2d, AbstractModule[DepthwiseConv2d]):
    """torch's convolution with one group for each channel."""

    @classmethod
    def of(cls, layer: DepthwiseConv2d, inputs: Sequence[Shape]) -> Self:
        width = inputs[0][0]
        padding = layer.kernel // 2
        return cls(width, width, layer.kernel, layer.stride, padding, groups=width, bias=layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')"""
        return in_float32_on_cpu(super().forward, x)
