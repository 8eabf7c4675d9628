"""The type in which examples are stored: the smallest that keeps what a network can learn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.statistics import ChannelStatistics

_LOST = 1e-4  # of a channel's standard deviation: the largest rounding error that does no harm
_LARGEST = float(np.finfo(np.float32).max)
_FLOAT32_STEP = 2.0**-24, 2.0**-150  # the largest rounding error: relative, and near zero


def stored_type(arrays: Sequence[NDArray[Any]]) -> np.dtype[Any]:
    """uint8 for whole numbers from 0 to 255, else float32, or float64 where that loses too much.

    In float32 a channel of small differences between large values vanishes, and so do values
    beyond 1e38 and below 1e-38. Examples have shape (n, channels, ...); the first array, that of
    the training examples, decides what a channel is.
    """
    if all(x.dtype.kind in "biu" and x.min() >= 0 and x.max() <= 255 for x in arrays):
        return np.dtype(np.uint8)
    is_kept = all(_fits_float32(x) for x in arrays) and _keeps_channels(arrays[0])
    return np.dtype(np.float32 if is_kept else np.float64)


def _fits_float32(x: NDArray[Any]) -> bool:
    return x.dtype.kind == "b" or max(-float(x.min()), float(x.max())) <= _LARGEST


def _keeps_channels(x: NDArray[Any]) -> bool:
    """Whether every channel keeps its differences in float32."""
    if x.dtype.kind == "b" or np.can_cast(x.dtype, np.float32):
        return True
    found = ChannelStatistics.of(x)
    relative, near_zero = _FLOAT32_STEP
    error = np.maximum(relative * np.maximum(-found.low, found.high), near_zero)
    return bool(((found.std == 0) | (error <= _LOST * found.std)).all())
