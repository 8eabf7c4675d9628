"""Scaling of channels, or of each value."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("scale")
@dataclass(frozen=True, slots=True)
class Scale(AbstractLayer):
    """The first input, each channel multiplied by its factor: (C, ...), (C,) -> (C, ...)

    Hu, Shen & Sun 2018, arXiv:1709.01507, eq. 4. Factors of the shape of the first input multiply
    value by value, as in gated convolutions (Dauphin et al. 2017, arXiv:1612.08083, eq. 1).
    """

    title: ClassVar[str] = "scaling"
    channels: ClassVar[Channels] = Channels.UNIFIED
    inputs: ClassVar[int | None] = 2

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        scaled, factors = inputs
        if factors not in (scaled[:1], scaled):
            raise InvalidArchitecture(
                f"Scale got inputs of shapes {list(inputs)}; expected (channels, ...) and one "
                "factor per channel, (channels,), or for each value"
            )
        return scaled

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        x, factors = inputs  # (N, C, ...), (N, C) or (N, C, ...)
        return x * factors.reshape(*factors.shape, *[1] * (x.ndim - factors.ndim))

    def flops(self, inputs: Sequence[Shape]) -> int:
        return prod(inputs[0])

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return all(inputs)
