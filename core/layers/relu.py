"""Rectified linear unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.rectifier import AbstractRectifier


@LAYERS.register("relu")
@dataclass(frozen=True, slots=True)
class ReLU(AbstractRectifier):
    """max(x, 0), elementwise."""

    title: ClassVar[str] = "ReLU"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.maximum(inputs[0], 0)
