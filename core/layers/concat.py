"""Concatenation of channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("concat")
@dataclass(frozen=True, slots=True)
class Concat(AbstractLayer):
    """The channels of two or more inputs, one input after the other."""

    title: ClassVar[str] = "concatenation"
    channels: ClassVar[Channels] = Channels.JOINED
    inputs: ClassVar[int | None] = None

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len({shape[1:] for shape in inputs}) != 1:
            raise InvalidArchitecture(
                f"Concat got inputs of shapes {list(inputs)}; "
                "expected shapes that differ only in their channels"
            )
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return np.concatenate(list(inputs), axis=1)

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return all(inputs)
