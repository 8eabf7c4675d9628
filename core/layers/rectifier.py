"""The common part of ReLU-like activations: zero for negative values."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.layers.abstract import AbstractLayer, Channels, Shape


@dataclass(frozen=True, slots=True)
class AbstractRectifier(AbstractLayer):
    """An elementwise activation whose output is never negative."""

    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
