"""Two-dimensional depthwise convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS, Axis
from core.layers.avg_pool2d import AvgPool2d
from core.layers.depthwise import AbstractDepthwise
from core.layers.pooling import AbstractPool


@LAYERS.register("depthwise_conv2d")
@dataclass(frozen=True, slots=True)
class DepthwiseConv2d(AbstractDepthwise):
    """Convolution of each channel of images separately."""

    spatial_axes: ClassVar[int] = 2
    pool: ClassVar[type[AbstractPool]] = AvgPool2d
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.CARRIED, Axis.FIXED, Axis.FIXED, Axis.FIXED),
        "bias": (Axis.CARRIED,),
    }
