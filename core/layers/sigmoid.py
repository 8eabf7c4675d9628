"""Logistic sigmoid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import scipy  # loads its parts when they are first used

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("sigmoid")
@dataclass(frozen=True, slots=True)
class Sigmoid(AbstractActivation):
    """1 / (1 + exp(-x)), elementwise."""

    title: ClassVar[str] = "sigmoid"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = scipy.special.expit(inputs[0])
        return y

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
