"""Rectified linear unit with an upper limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.rectifier import AbstractRectifier

MAX_VALUE = 6


@LAYERS.register("relu6")
@dataclass(frozen=True, slots=True)
class ReLU6(AbstractRectifier):
    """min(max(x, 0), 6), elementwise.

    Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"; Sandler et al. 2018,
    arXiv:1801.04381.
    """

    title: ClassVar[str] = "ReLU6"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.clip(inputs[0], 0, MAX_VALUE)
