"""Sigmoid linear unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import scipy  # loads its parts when they are first used

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("silu")
@dataclass(frozen=True, slots=True)
class SiLU(AbstractActivation):
    """x σ(x) with the logistic sigmoid σ, elementwise.

    Hendrycks & Gimpel 2016, arXiv:1606.08415; Ramachandran, Zoph & Le 2017, arXiv:1710.05941,
    where it is called Swish.
    """

    title: ClassVar[str] = "SiLU"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0] * scipy.special.expit(inputs[0])
        return y

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]
