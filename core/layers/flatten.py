"""Flattening of images and signals to vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("flatten")
@dataclass(frozen=True, slots=True)
class Flatten(AbstractLayer):
    """An image or a signal as a vector; the positions of each channel become adjacent features."""

    title: ClassVar[str] = "flattening"
    channels: ClassVar[Channels] = Channels.FLATTENED

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs[0]) < 2:
            raise InvalidArchitecture(
                f"Flatten got an input of shape {inputs[0]}; "
                "expected an image (channels, height, width) or a signal (channels, length)"
            )
        return (prod(inputs[0]),)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs
        return x.reshape(len(x), prod(x.shape[1:]))

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 0  # a view

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self
