"""Average pooling of signals."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractAvgPool


@LAYERS.register("avg_pool1d")
@dataclass(frozen=True, slots=True)
class AvgPool1d(AbstractAvgPool):
    """The mean of each window of signals."""

    spatial_axes: ClassVar[int] = 1
