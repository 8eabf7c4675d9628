"""Embedding: a vector for each token of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from core.errors import InvalidArchitecture
from core.layers.abstract import (
    LAYERS,
    AbstractLayer,
    Array,
    Axis,
    Channels,
    Parameters,
    Shape,
    check_positive,
)


@LAYERS.register("embedding")
@dataclass(frozen=True, slots=True)
class Embedding(AbstractLayer):
    """A learned vector for each token number: (1, length) -> (units, length)

    Token numbers come as floating-point values, as all examples do. A value is rounded, and then
    limited to 0 … vocabulary - 1.
    """

    vocabulary: int  # tokens
    units: int  # of each vector

    title: ClassVar[str] = "embedding"
    channels: ClassVar[Channels] = Channels.OWN
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {"weight": (Axis.FIXED, Axis.PRODUCED)}

    def __post_init__(self) -> None:
        check_positive(self, vocabulary=self.vocabulary, units=self.units)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs[0]) != 2 or inputs[0][0] != 1:
            raise InvalidArchitecture(
                f"Embedding got an input of shape {inputs[0]}; expected token numbers (1, length)"
            )
        return (self.units, inputs[0][1])

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        return {"weight": (self.vocabulary, self.units)}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        return {"weight": rng.standard_normal((self.vocabulary, self.units)).astype(dtype)}

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        tokens = np.clip(np.rint(inputs[0][:, 0]), 0, self.vocabulary - 1).astype(np.intp)
        return np.ascontiguousarray(parameters["weight"][tokens].transpose(0, 2, 1))

    def with_width(self, width: int) -> Self:
        return replace(self, units=width)
