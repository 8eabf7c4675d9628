"""Flattening of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape, image


@LAYERS.register("flatten")
@dataclass(frozen=True, slots=True)
class Flatten(AbstractLayer):
    """An image as a vector, channel by channel: each owns height × width features in a row."""

    title: ClassVar[str] = "flattening"
    channels: ClassVar[Channels] = Channels.FLATTENED

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (prod(image(self, inputs[0])),)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs
        return x.reshape(len(x), prod(x.shape[1:]))

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 0  # a view

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self
