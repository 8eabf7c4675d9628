"""Global average pooling of images."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractGlobalAvgPool


@LAYERS.register("global_avg_pool2d")
@dataclass(frozen=True, slots=True)
class GlobalAvgPool2d(AbstractGlobalAvgPool):
    """The mean of each channel of images."""

    spatial_axes: ClassVar[int] = 2
