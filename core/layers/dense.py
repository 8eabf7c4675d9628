"""Fully connected layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from core.layers.abstract import (
    LAYERS,
    AbstractLayer,
    Array,
    Axis,
    Channels,
    Parameters,
    Shape,
    check_boolean,
    check_positive,
    feature_count,
)
from core.layers.initial_weights import he_normal


@LAYERS.register("dense")
@dataclass(frozen=True, slots=True)
class Dense(AbstractLayer):
    """A linear map of a vector."""

    units: int
    bias: bool = True

    title: ClassVar[str] = "dense layer"
    channels: ClassVar[Channels] = Channels.OWN
    optional: ClassVar[frozenset[str]] = frozenset({"bias"})
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.PRODUCED, Axis.CONSUMED),
        "bias": (Axis.PRODUCED,),
    }

    def __post_init__(self) -> None:
        check_positive(self, units=self.units)
        check_boolean(self, bias=self.bias)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        feature_count(self, inputs[0])
        return (self.units,)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        bias = {"bias": (self.units,)} if self.bias else {}
        return {"weight": (self.units, inputs[0][0]), **bias}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        return he_normal(self.parameter_shapes(inputs), rng, dtype)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        y: Array = inputs[0] @ parameters["weight"].T + parameters.get("bias", 0)
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 2 * inputs[0][0] * self.units

    def with_width(self, width: int) -> Self:
        return replace(self, units=width)
