"""Rectified linear unit with a largest value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.layers.abstract import LAYERS, Array, Parameters
from core.layers.rectifier import AbstractRectifier

LARGEST = 6


@LAYERS.register("relu6")
@dataclass(frozen=True, slots=True)
class ReLU6(AbstractRectifier):
    """What is below zero becomes zero, what is above six becomes six.

    Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"; Sandler et al. 2018,
    arXiv:1801.04381.
    """

    title: ClassVar[str] = "ReLU6"

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.clip(inputs[0], 0, LARGEST)
