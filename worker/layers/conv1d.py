"""One-dimensional convolution."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import Conv1d, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("conv1d")
class Conv1dModule(nn.Conv1d, AbstractModule[Conv1d]):
    """torch's convolution, padded by half the kernel."""

    @classmethod
    def of(cls, layer: Conv1d, inputs: Sequence[Shape]) -> Self:
        channels, padding = inputs[0][0], layer.kernel // 2
        return cls(channels, layer.filters, layer.kernel, layer.stride, padding, bias=layer.bias)
