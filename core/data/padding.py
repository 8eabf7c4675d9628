"""Signals of different lengths: the shorter ones end with NaN in the files.

They become signals of one length with a mask. A shorter signal is continued by its last values, so
that nothing depends on the size of the values, and one more channel is 1 where there are values and
0 behind them. `worker.trainer.export.predict` does the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.layouts import Layout


def masked(examples: Mapping[str, NDArray[Any]], axes: Layout) -> dict[str, NDArray[Any]] | None:
    """Signals of each part with their mask, (N, channels + 1, length).

    All get the length of the longest part. None where all have one length, or where NaN stands
    elsewhere than at the end.
    """
    signals = {split: axes.channels_first(x) for split, x in examples.items()}
    if axes.kind != "signals" or not any(map(_has_gaps, signals.values())):
        return None
    if not all(map(_end_with_gaps, signals.values())):
        return None
    longest = max(x.shape[2] for x in signals.values())
    return {split: _with_mask(x, longest) for split, x in signals.items()}


def _lengths(x: NDArray[Any]) -> NDArray[np.intp]:
    """How many steps each signal has up to its last value: (n, channels, length) -> (n,)"""
    if x.dtype.kind != "f":
        return np.full(len(x), x.shape[2])
    is_there = ~np.isnan(x).all(axis=1)
    return np.where(is_there.any(axis=1), x.shape[2] - is_there[:, ::-1].argmax(axis=1), 0)


def _has_gaps(x: NDArray[Any]) -> bool:
    if x.dtype.kind != "f" or 0 in x.shape:
        return False
    return any(np.isnan(x[block]).any() for block in scratch.blocks(x))


def _end_with_gaps(x: NDArray[Any]) -> bool:
    """Whether each signal has finite values in all channels, then NaN in all."""
    return all(_are_whole(x[block]).all() for block in scratch.blocks(x))


def _are_whole(x: NDArray[Any]) -> NDArray[np.bool_]:
    """Which signals have values, and no gap before their end, (n,)."""
    known = _lengths(x)
    is_within = np.arange(x.shape[2]) < known[:, None]
    found: NDArray[np.bool_] = (np.isfinite(x) == is_within[:, None]).all(axis=(1, 2))
    return (known > 0) & found


def has_other_gaps(x: NDArray[Any], axes: Layout) -> NDArray[np.bool_]:
    """Which signals are not finite values in all channels, then NaN in all: (n,)"""
    signals = axes.channels_first(x)
    return np.concatenate([~_are_whole(signals[block]) for block in scratch.blocks(signals)])


def _with_mask(x: NDArray[Any], length: int) -> NDArray[Any]:
    count, channels, _ = x.shape
    kind = np.result_type(x, np.float32)
    found = scratch.empty((count, channels + 1, length), kind)
    for block in scratch.blocks(x):
        known = _lengths(x[block])[:, None]
        last = np.minimum(np.arange(length), known - 1)
        found[block, :-1] = np.take_along_axis(x[block], last[:, None], axis=2)
        found[block, -1] = np.arange(length) < known
    return found
