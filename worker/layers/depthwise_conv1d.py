"""Depthwise convolution."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import DepthwiseConv1d, Shape
from worker.layers.module import MODULES, AbstractModule
from worker.layers.precision import in_float32_on_cpu


@MODULES.register("depthwise_conv1d")
class DepthwiseConv1dModule(nn.Conv1d, AbstractModule[DepthwiseConv1d]):
    """torch's convolution with one group for each channel."""

    @classmethod
    def of(cls, layer: DepthwiseConv1d, inputs: Sequence[Shape]) -> Self:
        width = inputs[0][0]
        padding = layer.kernel // 2
        return cls(width, width, layer.kernel, layer.stride, padding, groups=width, bias=layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')"""
        return in_float32_on_cpu(super().forward, x)
