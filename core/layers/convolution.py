"""Convolution along one or two spatial axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from core.layers.abstract import (
    AbstractLayer,
    Array,
    Channels,
    Parameters,
    Shape,
    check_boolean,
    check_positive,
    spatial_sides,
)
from core.layers.initial_weights import he_normal
from core.layers.pooling import AbstractPool, windowed_pool
from core.layers.windows import (
    Ends,
    check_kernel_pads,
    check_odd,
    kernel_ends,
    padded_windows,
    windowed_sides,
)


@dataclass(frozen=True, slots=True)
class AbstractConvolution(AbstractLayer):
    """Convolution with zero padding of half the kernel, so that only a stride reduces the sides.

    `pads` give another padding, for each end of each axis. Networks with it come from users, such
    as those that TensorFlow exports; no root and no morphism makes it.
    """

    filters: int
    kernel: int = 3  # odd
    stride: int = 1
    bias: bool = True
    pads: tuple[int, ...] = field(default=(), kw_only=True)  # before each axis, then after

    title: ClassVar[str] = "convolution"
    channels: ClassVar[Channels] = Channels.OWN
    optional: ClassVar[frozenset[str]] = frozenset({"bias", "pads"})
    spatial_axes: ClassVar[int]
    pool: ClassVar[type[AbstractPool]]  # replaces a stride on a shortcut

    def __post_init__(self) -> None:
        check_positive(self, filters=self.filters, kernel=self.kernel, stride=self.stride)
        check_odd(self, self.kernel)
        check_boolean(self, bias=self.bias)
        check_kernel_pads(self, self.pads, self.kernel, self.spatial_axes)

    @property
    def ends(self) -> Ends:
        """The zeros before and after the values along each spatial axis."""
        return kernel_ends(self.kernel, self.pads, self.spatial_axes)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        sides = spatial_sides(self, inputs[0], self.spatial_axes)
        kernels, strides = (self.kernel,) * len(sides), (self.stride,) * len(sides)
        return (self.filters, *windowed_sides(self, sides, kernels, strides, self.ends))

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        window = (self.kernel,) * self.spatial_axes
        bias = {"bias": (self.filters,)} if self.bias else {}
        return {"weight": (self.filters, inputs[0][0], *window), **bias}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        return he_normal(self.parameter_shapes(inputs), rng, dtype)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs  # (N, C, *sides)
        windows = np.moveaxis(padded_windows(x, self.kernel, self.stride, self.ends), 1, x.ndim - 1)
        n, *sides = windows.shape[: x.ndim - 1]
        weight = parameters["weight"].reshape(self.filters, -1)
        columns = windows.reshape(n * prod(sides), weight.shape[1])
        y = columns @ weight.T + parameters.get("bias", 0)
        return np.ascontiguousarray(np.moveaxis(y.reshape(n, *sides, self.filters), -1, 1))

    def flops(self, inputs: Sequence[Shape]) -> int:
        _, *sides = self.output_shape(inputs)
        return 2 * prod(sides) * prod(self.parameter_shapes(inputs)["weight"])

    def with_width(self, width: int) -> Self:
        return replace(self, filters=width)

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        sides, outputs = inputs[0][1:], self.output_shape(inputs)[1:]
        return windowed_pool(self.pool, sides, outputs, self.kernel, self.pads, stride=self.stride)
