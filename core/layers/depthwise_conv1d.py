"""One-dimensional depthwise convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS, Axis
from core.layers.avg_pool1d import AvgPool1d
from core.layers.depthwise import AbstractDepthwise
from core.layers.pooling import AbstractPool


@LAYERS.register("depthwise_conv1d")
@dataclass(frozen=True, slots=True)
class DepthwiseConv1d(AbstractDepthwise):
    """Convolution of each channel of signals separately."""

    spatial_axes: ClassVar[int] = 1
    pool: ClassVar[type[AbstractPool]] = AvgPool1d
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.CARRIED, Axis.FIXED, Axis.FIXED),
        "bias": (Axis.CARRIED,),
    }
