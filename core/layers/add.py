"""Elementwise sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import ClassVar

import numpy as np

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("add")
@dataclass(frozen=True, slots=True)
class Add(AbstractLayer):
    """The sum of two or more inputs of one shape."""

    title: ClassVar[str] = "sum"
    channels: ClassVar[Channels] = Channels.UNIFIED
    inputs: ClassVar[int | None] = None
    commutative: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(set(inputs)) != 1:
            raise InvalidArchitecture(
                f"Add got inputs of shapes {list(inputs)}; expected equal shapes"
            )
        return inputs[0]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return reduce(np.add, inputs)

    def flops(self, inputs: Sequence[Shape]) -> int:
        return (len(inputs) - 1) * prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return all(inputs)
