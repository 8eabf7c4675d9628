"""Dropout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("dropout")
@dataclass(frozen=True, slots=True)
class Dropout(AbstractLayer):
    """In training, each value is zeroed with probability `rate`, else scaled by 1 / (1 - rate).

    Srivastava et al. 2014; the identity in evaluation mode.
    """

    rate: float

    title: ClassVar[str] = "dropout"
    channels: ClassVar[Channels] = Channels.SAME

    def __post_init__(self) -> None:
        if type(self.rate) not in (int, float) or not 0 <= self.rate < 1:
            raise InvalidArchitecture(f"Dropout has rate {self.rate!r}; expected 0 <= rate < 1")
        object.__setattr__(self, "rate", float(self.rate))

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        return inputs[0]

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return inputs[0]
