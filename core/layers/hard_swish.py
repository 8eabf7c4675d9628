"""Piecewise quadratic approximation of the SiLU."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("hard_swish")
@dataclass(frozen=True, slots=True)
class HardSwish(AbstractActivation):
    """x min(max(x + 3, 0), 6) / 6, elementwise.

    Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """

    title: ClassVar[str] = "hard swish"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0] * np.clip(inputs[0] + 3, 0, 6) / 6
        return y

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]
