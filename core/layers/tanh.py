"""Hyperbolic tangent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("tanh")
@dataclass(frozen=True, slots=True)
class Tanh(AbstractActivation):
    """tanh(x), elementwise."""

    title: ClassVar[str] = "tanh"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.tanh(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]
