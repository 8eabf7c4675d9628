"""Max pooling of signals."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractMaxPool


@LAYERS.register("max_pool1d")
@dataclass(frozen=True, slots=True)
class MaxPool1d(AbstractMaxPool):
    """The largest value of each window of signals."""

    spatial_axes: ClassVar[int] = 1
