"""The largest value of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import MaxPool1d, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("max_pool1d")
class MaxPool1dModule(nn.MaxPool1d, AbstractModule[MaxPool1d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: MaxPool1d, inputs: Sequence[Shape]) -> Self:
        return cls(layer.size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
