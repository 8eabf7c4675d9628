"""Two-dimensional convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS, Axis
from core.layers.avg_pool2d import AvgPool2d
from core.layers.convolution import AbstractConvolution
from core.layers.pooling import AbstractPool


@LAYERS.register("conv2d")
@dataclass(frozen=True, slots=True)
class Conv2d(AbstractConvolution):
    """Convolution of images."""

    spatial_axes: ClassVar[int] = 2
    pool: ClassVar[type[AbstractPool]] = AvgPool2d
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.PRODUCED, Axis.CONSUMED, Axis.FIXED, Axis.FIXED),
        "bias": (Axis.PRODUCED,),
    }
