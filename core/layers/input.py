"""The input of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.errors import InvalidArchitecture
from core.layers.abstract import LAYERS, AbstractLayer, Array, Channels, Parameters, Shape


@LAYERS.register("input")
@dataclass(frozen=True, slots=True)
class Input(AbstractLayer):
    """One normalised example of the data."""

    shape: Shape

    title: ClassVar[str] = "input"
    channels: ClassVar[Channels] = Channels.GIVEN
    inputs: ClassVar[int | None] = 0

    def __post_init__(self) -> None:
        sized = isinstance(self.shape, tuple) and len(self.shape) in (1, 2, 3)
        if not sized or not all(type(n) is int and n > 0 for n in self.shape):
            raise InvalidArchitecture(
                f"Input has shape {self.shape!r}; "
                "expected (channels, height, width), (channels, length) or (features,) "
                "of positive integers"
            )

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return self.shape

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        raise InvalidArchitecture("Input computes nothing; pass the network's input to its readers")
