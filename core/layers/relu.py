"""Rectified linear unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("relu")
@dataclass(frozen=True, slots=True)
class ReLU(AbstractLayer):
    """What is below zero becomes zero."""

    title: ClassVar[str] = "ReLU"
    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.maximum(inputs[0], 0)

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
