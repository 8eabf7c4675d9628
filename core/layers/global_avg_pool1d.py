"""Global average pooling of signals."""

from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS
from core.layers.pooling import AbstractGlobalAvgPool


@LAYERS.register("global_avg_pool1d")
@dataclass(frozen=True, slots=True)
class GlobalAvgPool1d(AbstractGlobalAvgPool):
    """The mean of each channel of signals."""

    spatial_axes: ClassVar[int] = 1
