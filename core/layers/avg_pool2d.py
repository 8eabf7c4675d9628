"""Average pooling of images."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractAvgPool


@LAYERS.register("avg_pool2d")
@dataclass(frozen=True, slots=True)
class AvgPool2d(AbstractAvgPool):
    """The mean of each window of images."""

    spatial_axes: ClassVar[int] = 2
