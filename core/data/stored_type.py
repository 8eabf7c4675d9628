"""The type in which examples are stored: the smallest that keeps what a network can learn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.statistics import ChannelStatistics


def stored_type(arrays: Sequence[NDArray[Any]]) -> np.dtype[Any]:
    """uint8 for whole numbers from 0 to 255, else float32, or float64 where that loses too much.

    In float32 small differences between large values vanish, and so do values beyond 1e38 and
    below 1e-38. The arrays hold examples, (n, channels, ...).
    """
    if all(x.dtype.kind in "biu" and _are_bytes(x) for x in arrays):
        return np.dtype(np.uint8)
    if all(np.can_cast(x.dtype, np.float32) for x in arrays):
        return np.dtype(np.float32)
    is_kept = all(ChannelStatistics.of(x).fit_float32 for x in arrays)
    return np.dtype(np.float32 if is_kept else np.float64)


def _are_bytes(x: NDArray[Any]) -> bool:
    """Whether all of these whole numbers are from 0 to 255."""
    if x.dtype in (np.bool_, np.uint8):
        return True
    low, high = scratch.value_range(x)
    return low >= 0 and high <= 255
