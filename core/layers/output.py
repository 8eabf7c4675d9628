"""The output of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import (
    LAYERS,
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    feature_count,
)


@LAYERS.register("output")
@dataclass(frozen=True, slots=True)
class Output(AbstractLayer):
    """The logits of a network, unchanged."""

    title: ClassVar[str] = "output"
    channels: ClassVar[Channels] = Channels.SAME

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (feature_count(self, inputs[0]),)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return inputs[0]

    def kept_values(self, inputs: Sequence[Shape]) -> int:
        return 0
