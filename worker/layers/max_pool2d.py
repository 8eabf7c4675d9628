"""The largest value of each window."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import MaxPool2d, Shape
from worker.layers.twin import TWINS, AbstractTwin


@TWINS.register("max_pool2d")
class MaxPool2dTwin(nn.MaxPool2d, AbstractTwin[MaxPool2d]):
    """torch's pool."""

    @classmethod
    def of(cls, layer: MaxPool2d, inputs: Sequence[Shape]) -> Self:
        return cls(layer.size, layer.stride, layer.padding)
