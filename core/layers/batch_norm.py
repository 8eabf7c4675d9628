"""Batch normalisation of images, signals and vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from core.layers.abstract import LAYERS, AbstractLayer, Array, Axis, Channels, Parameters, Shape

EPSILON = 1e-5  # added to the variance, as in torch


@LAYERS.register("batch_norm")
@dataclass(frozen=True, slots=True)
class BatchNorm(AbstractLayer):
    """Each channel standardised, then scaled and shifted: y = γ (x - μ) / √(σ² + ε) + β.

    γ is the weight, β the bias; μ and σ² are the running statistics in evaluation mode and those
    of the batch in training. Ioffe & Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.
    """

    title: ClassVar[str] = "batch norm"
    channels: ClassVar[Channels] = Channels.SAME
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = dict.fromkeys(
        ("weight", "bias", "running_mean", "running_var"), (Axis.CARRIED,)
    )
    buffers: ClassVar[frozenset[str]] = frozenset({"running_mean", "running_var"})

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        return dict.fromkeys(self.axes, (inputs[0][0],))

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        ones, zeros = np.ones(inputs[0][0], dtype), np.zeros(inputs[0][0], dtype)
        return {
            "weight": ones,
            "bias": zeros,
            "running_mean": zeros.copy(),
            "running_var": ones.copy(),
        }

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        scale = parameters["weight"] / np.sqrt(parameters["running_var"] + EPSILON)
        shift = parameters["bias"] - parameters["running_mean"] * scale
        (x,) = inputs
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        y: Array = x * scale.reshape(per_channel) + shift.reshape(per_channel)
        return y

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 2 * prod(inputs[0])
