"""Gate: factors for a `Scale`."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import scipy  # loads its parts when they are first used

from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("gate")
@dataclass(frozen=True, slots=True)
class Gate(AbstractLayer):
    """Twice the logistic sigmoid: factors from 0 to 2, and exactly 1 at 0."""

    title: ClassVar[str] = "gate"
    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = 2 * scipy.special.expit(inputs[0])
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
