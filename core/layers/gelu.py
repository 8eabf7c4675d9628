"""Gaussian error linear unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import scipy  # loads its parts when they are first used

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("gelu")
@dataclass(frozen=True, slots=True)
class GELU(AbstractActivation):
    """x Φ(x) with the distribution Φ of the standard normal distribution, elementwise.

    Hendrycks & Gimpel 2016, arXiv:1606.08415, eq. 1; not one of its approximations.
    """

    title: ClassVar[str] = "GELU"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0] * scipy.special.ndtr(inputs[0])
        return y

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]
