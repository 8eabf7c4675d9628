"""Piecewise linear sigmoid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.activation import AbstractActivation


@LAYERS.register("hard_sigmoid")
@dataclass(frozen=True, slots=True)
class HardSigmoid(AbstractActivation):
    """min(max(x + 3, 0), 6) / 6, elementwise.

    Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """

    title: ClassVar[str] = "hard sigmoid"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.clip(inputs[0] + 3, 0, 6) / 6

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
