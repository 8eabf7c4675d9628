"""Two-dimensional convolution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import ClassVar, Self

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


@LAYERS.register("conv2d")
@dataclass(frozen=True, slots=True)
class Conv2d(AbstractLayer):
    """Convolution with bias and zero padding of half the kernel, so that only strides reduce."""

    filters: int
    kernel: int = 3  # odd
    stride: int = 1

    title: ClassVar[str] = "convolution"
    channels: ClassVar[Channels] = Channels.OWN
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.PRODUCED, Axis.CONSUMED, Axis.FIXED, Axis.FIXED),
        "bias": (Axis.PRODUCED,),
    }

    def __post_init__(self) -> None:
        check_positive(self, filters=self.filters, kernel=self.kernel, stride=self.stride)
        if self.kernel % 2 == 0:
            raise InvalidArchitecture(f"Conv2d has kernel {self.kernel}; expected an odd number")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        _, height, width = image(self, inputs[0])
        return (self.filters, -(-height // self.stride), -(-width // self.stride))

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        return {
            "weight": (self.filters, inputs[0][0], self.kernel, self.kernel),
            "bias": (self.filters,),
        }

    def initial_parameters(
        self, inputs: Sequence[Shape], rng: np.random.Generator, dtype: DTypeLike
    ) -> dict[str, Array]:
        shapes = self.parameter_shapes(inputs)
        scale = sqrt(2 / prod(shapes["weight"][1:]))
        return {
            "weight": (rng.standard_normal(shapes["weight"]) * scale).astype(dtype),
            "bias": np.zeros(shapes["bias"], dtype),
        }

    def forward(self, parameters: Parameters, inputs: Sequence[Array]) -> Array:
        (x,) = inputs  # (N, C, H, W)
        half, k, s = self.kernel // 2, self.kernel, self.stride
        padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
        windows = sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        n, c, h, w = windows.shape[:4]
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * k * k)
        weight = parameters["weight"].reshape(self.filters, -1)
        y = columns @ weight.T + parameters["bias"]
        return np.ascontiguousarray(y.reshape(n, h, w, self.filters).transpose(0, 3, 1, 2))

    def flops(self, inputs: Sequence[Shape]) -> int:
        _, height, width = self.output_shape(inputs)
        return 2 * height * width * prod(self.parameter_shapes(inputs)["weight"])

    def with_width(self, width: int) -> Self:
        return replace(self, filters=width)

    def shortcut(self, inputs: Sequence[Shape]) -> AbstractLayer | None:
        if self.stride == 1:
            return None
        _, height, width = image(self, inputs[0])
        whole = height % self.stride == 0 and width % self.stride == 0
        return AvgPool2d(self.stride if whole else 1, self.stride)
