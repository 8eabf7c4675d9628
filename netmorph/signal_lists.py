"""Signals of different lengths in a list: one array, in which shorter signals end with NaN."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EXPECTED = "expected numbers: one signal (length,), or with channels, for each example"


def together(given: ArrayLike, layout: str | None) -> ArrayLike:
    """The signals as one array where they are listed with different shapes; else as they are.

    The time is the first axis of a signal without channels or with the layout NLC, else the last.

    Raises:
        ValueError: a signal is empty or holds no numbers, or not only the lengths differ.
    """
    if not _is_listed(given):
        return given
    signals = [_signal(index, one) for index, one in enumerate(given)]  # type: ignore[arg-type]
    if len({one.shape for one in signals}) < 2:
        return np.stack(signals) if signals else given
    first = signals[0]
    axis = 0 if first.ndim == 1 or layout == "NLC" else 1
    longest = max(_length(index, one, axis, first) for index, one in enumerate(signals))
    shape = (*first.shape[:axis], longest, *first.shape[axis + 1 :])
    found = np.full((len(signals), *shape), np.nan, np.result_type(*signals, np.float32))
    for target, one in zip(found, signals, strict=True):
        np.moveaxis(target, axis, 0)[: one.shape[axis]] = np.moveaxis(one, axis, 0)
    return found


def _is_listed(given: Any) -> bool:
    """Whether these are signals one by one: a list, or an array or series of objects."""
    if isinstance(given, list | tuple):
        return bool(given) and all(np.ndim(one) in (1, 2) for one in map(_array, given))
    kind, axes = getattr(given, "dtype", None), getattr(given, "ndim", 0)
    return axes == 1 and kind is not None and kind == np.dtype(object)


def _array(one: Any) -> NDArray[Any]:
    try:
        return np.asarray(one)
    except ValueError:  # its channels have different lengths
        return np.asarray(one, object)


def _signal(index: int, given: Any) -> NDArray[Any]:
    found = _array(given)
    if found.dtype.kind not in "biuf" or found.ndim not in (1, 2):
        raise ValueError(
            f"signal {index} has shape {found.shape} and type {found.dtype}; {_EXPECTED}, with all "
            "channels of one length"
        )
    return found


def _length(index: int, one: NDArray[Any], axis: int, first: NDArray[Any]) -> int:
    """The length of a signal; raises ValueError where it is zero, or the channels differ."""
    others = [np.delete(signal.shape, axis).tolist() for signal in (one, first)]
    if one.ndim != first.ndim or others[0] != others[1]:
        names = ("length", "channels") if axis == 0 else ("channels", "length")
        raise ValueError(
            f"signal {index} has shape {one.shape}, signal 0 has {first.shape}; expected the same "
            f"number of channels in all, ({', '.join(names[: first.ndim])}): say by the layout "
            "which axis is the time, NCL or NLC"
        )
    if 0 in one.shape:
        raise ValueError(f"signal {index} is empty, of shape {one.shape}; expected values in all")
    return int(one.shape[axis])
