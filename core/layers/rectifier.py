"""What the activations share that are zero below zero and the values themselves above."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.layers.abstract import AbstractLayer, Channels, Shape


@dataclass(frozen=True, slots=True)
class AbstractRectifier(AbstractLayer):
    """Value by value; no output is below zero."""

    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
