"""Depthwise convolution along one or two spatial axes: one kernel per channel.

Howard et al. 2017, arXiv:1704.04861.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

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
    window_size,
    windowed_sides,
)


@dataclass(frozen=True, slots=True)
class AbstractDepthwise(AbstractLayer):
    """Each channel convolved separately, with zero padding of half the kernel.

    `pads` give another padding, as those of `AbstractConvolution`.
    """

    kernel: int = 3  # odd
    stride: int = 1
    bias: bool = True
    pads: tuple[int, ...] = field(default=(), kw_only=True)  # before each axis, then after

    title: ClassVar[str] = "depthwise convolution"
    channels: ClassVar[Channels] = Channels.SAME
    optional: ClassVar[frozenset[str]] = frozenset({"bias", "pads"})
    spatial_axes: ClassVar[int]
    pool: ClassVar[type[AbstractPool]]  # replaces a stride on a shortcut

    def __post_init__(self) -> None:
        check_positive(self, kernel=self.kernel, stride=self.stride)
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
        return (inputs[0][0], *windowed_sides(self, sides, kernels, strides, self.ends))

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        channels = inputs[0][0]
        window = (self.kernel,) * self.spatial_axes
        bias = {"bias": (channels,)} if self.bias else {}
        return {"weight": (channels, 1, *window), **bias}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        return he_normal(self.parameter_shapes(inputs), rng, dtype)

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs  # (N, C, *sides)
        windows = padded_windows(x, self.kernel, self.stride, self.ends)
        kernels = parameters["weight"].reshape(x.shape[1], -1)
        windows = windows.reshape(*windows.shape[: x.ndim], kernels.shape[1])  # (N, C, *sides', k)
        y = np.einsum("nc...k,ck->nc...", windows, kernels)
        if self.bias:
            y += parameters["bias"].reshape(-1, *[1] * self.spatial_axes)
        return np.ascontiguousarray(y)

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 2 * prod(self.output_shape(inputs)) * window_size(self.kernel, self.spatial_axes)

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        sides, outputs = inputs[0][1:], self.output_shape(inputs)[1:]
        return windowed_pool(self.pool, sides, outputs, self.kernel, self.pads, stride=self.stride)
