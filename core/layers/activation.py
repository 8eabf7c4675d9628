"""The common part of activations: elementwise functions without parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.layers.abstract import AbstractLayer, Channels, Shape


@dataclass(frozen=True, slots=True)
class AbstractActivation(AbstractLayer):
    """A function of each value by itself."""

    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])
