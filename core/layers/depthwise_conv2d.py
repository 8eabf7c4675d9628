"""Depthwise convolution: one kernel a channel (Howard et al. 2017, arXiv:1704.04861)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
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
    image,
)
from core.layers.avg_pool2d import AvgPool2d


@LAYERS.register("depthwise_conv2d")
@dataclass(frozen=True, slots=True)
class DepthwiseConv2d(AbstractLayer):
    """Each channel convolved on its own, with bias and zero padding of half the kernel."""

    kernel: int = 3  # odd
    stride: int = 1

    title: ClassVar[str] = "depthwise convolution"
    channels: ClassVar[Channels] = Channels.SAME
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.CARRIED, Axis.FIXED, Axis.FIXED, Axis.FIXED),
        "bias": (Axis.CARRIED,),
    }

    def __post_init__(self) -> None:
        check_positive(self, kernel=self.kernel, stride=self.stride)
        if self.kernel % 2 == 0:
            raise InvalidArchitecture(
                f"DepthwiseConv2d has kernel {self.kernel}; expected an odd number"
            )

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        channels, height, width = image(self, inputs[0])
        return (channels, -(-height // self.stride), -(-width // self.stride))

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        channels = inputs[0][0]
        return {"weight": (channels, 1, self.kernel, self.kernel), "bias": (channels,)}

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        shapes = self.parameter_shapes(inputs)
        scale = sqrt(2) / self.kernel
        return {
            "weight": (rng.standard_normal(shapes["weight"]) * scale).astype(dtype),
            "bias": np.zeros(shapes["bias"], dtype),
        }

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs  # (N, C, H, W)
        half, k, s = self.kernel // 2, self.kernel, self.stride
        padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
        windows = sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        y = np.einsum("nchwij,cij->nchw", windows, parameters["weight"][:, 0])
        return np.ascontiguousarray(y + parameters["bias"][:, None, None])

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 2 * prod(self.output_shape(inputs)) * self.kernel**2

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        if self.stride == 1:
            return None
        _, height, width = image(self, inputs[0])
        whole = height % self.stride == 0 and width % self.stride == 0
        return AvgPool2d(self.stride if whole else 1, self.stride)
