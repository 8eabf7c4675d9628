"""Global average pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape, image


@LAYERS.register("global_avg_pool2d")
@dataclass(frozen=True, slots=True)
class GlobalAvgPool2d(AbstractLayer):
    """The mean of each channel: an image becomes a vector."""

    title: ClassVar[str] = "global average pool"
    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (image(self, inputs[0])[0],)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0].mean(axis=(2, 3))
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        return self
