"""The largest value of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import MaxPool2d, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("max_pool2d")
class MaxPool2dModule(nn.MaxPool2d, AbstractModule[MaxPool2d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: MaxPool2d, inputs: Sequence[Shape]) -> Self:
        return cls(layer.size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
