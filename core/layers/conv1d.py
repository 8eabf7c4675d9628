"""One-dimensional convolution."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from core.layers.abstract import LAYERS, Axis
from core.layers.avg_pool1d import AvgPool1d
from core.layers.convolution import AbstractConvolution
from core.layers.pooling import AbstractPool


@LAYERS.register("conv1d")
@dataclass(frozen=True, slots=True)
class Conv1d(AbstractConvolution):
    """Convolution of signals."""

    spatial_axes: ClassVar[int] = 1
    pool: ClassVar[type[AbstractPool]] = AvgPool1d
    axes: ClassVar[Mapping[str, tuple[Axis, ...]]] = {
        "weight": (Axis.PRODUCED, Axis.CONSUMED, Axis.FIXED),
        "bias": (Axis.PRODUCED,),
    }
