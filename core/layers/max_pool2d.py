"""Max pooling of images."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractMaxPool


@LAYERS.register("max_pool2d")
@dataclass(frozen=True, slots=True)
class MaxPool2d(AbstractMaxPool):
    """The largest value of each window of images."""

    spatial_axes: ClassVar[int] = 2
