"""Columns of nested lists as arrays; signals of different lengths end with NaN.

Notation
    n   rows of the column
    L   steps of the longest signal
"""

from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from core.data import scratch
from core.data.tables.cells import shown
from core.errors import InvalidDataset

_MAX_AXES = 3  # of a row


def is_list(kind: pa.DataType) -> bool:
    """Whether the cells of a column of this type are lists."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def array_of(
    column: pa.ChunkedArray, name: str, layout: str | None, most_bytes: int
) -> NDArray[Any]:
    """The lists of a column of n rows as an array (n, ...).

    With the axes of signals, lists along the time may have several lengths, up to L: NaN follows
    the shorter ones. Raises InvalidDataset for other lists of several lengths, for no numbers, and
    for signals that become more than `most_bytes`.
    """
    time = layout.index("L") - 1 if layout is not None and "L" in layout else None
    cells, levels = column.combine_chunks(), list[NDArray[np.int64]]()
    while is_list(cells.type):
        _check_complete(cells, name)
        levels.append(compute.list_value_length(cells).to_numpy(zero_copy_only=False))
        cells = cells.flatten()
    if len(levels) > _MAX_AXES:
        raise InvalidDataset(
            f"column {shown(name)} holds lists of {len(levels)} levels; expected up to {_MAX_AXES}"
        )
    values = _numbers(cells, name, may_end=time is not None)
    uneven = [k for k, lengths in enumerate(levels) if len(np.unique(lengths)) != 1]
    if not uneven:
        return values.reshape(len(column), *(int(lengths[0]) for lengths in levels))
    if time is None:
        raise InvalidDataset(
            f"column {shown(name)} holds lists of {len(np.unique(levels[uneven[0]]))} lengths; "
            "expected one length in all rows: pad or cut them, or say that they are signals over "
            "time by the layout NL, NLC or NCL"
        )
    if uneven != [time] or len(levels) != len(str(layout)) - 1 or not _end_together(levels, time):
        raise InvalidDataset(
            f"column {shown(name)} holds lists that are no signals {layout}; expected numbers, "
            "with lists of different lengths only along the time"
        )
    return _filled(values, levels, time, name, most_bytes)


def _end_together(levels: list[NDArray[np.int64]], time: int) -> bool:
    """Whether all channels of a signal have its length."""
    lengths = levels[time].reshape(len(levels[0]), -1)  # (n, channels), or (n, 1)
    return bool((lengths == lengths[:, :1]).all())


def _filled(
    values: NDArray[Any], levels: list[NDArray[np.int64]], time: int, name: str, most_bytes: int
) -> NDArray[Any]:
    """Signals (n, L), (n, L, channels) or (n, channels, L) of which shorter ones end with NaN."""
    lengths = levels[time]
    longest = int(lengths.max())
    outer = [len(levels[0]), *(int(level[0]) for level in levels[:time])]
    inner = [int(level[0]) for level in levels[time + 1 :]]
    kind = np.result_type(values, np.float32)
    if (size := kind.itemsize * prod((*outer, longest, *inner))) > most_bytes:
        raise InvalidDataset(
            f"column {shown(name)} becomes {size:,} bytes where all signals have the {longest:,} "
            f"steps of the longest one; expected at most {most_bytes:,}: cut long signals, or give "
            "fewer values for each second"
        )
    found = scratch.empty((len(lengths), longest, *inner), kind)
    values = values.reshape(-1, *inner)
    ends = np.cumsum(lengths)
    for block in scratch.blocks(found):
        is_there = np.arange(longest) < lengths[block, None]
        found[block] = np.nan
        found[block][is_there] = values[
            ends[block.start] - lengths[block.start] : ends[block.stop - 1]
        ]
    return found.reshape(*outer, *found.shape[1:])


def _check_complete(cells: pa.Array, name: str) -> None:
    if cells.null_count:
        raise InvalidDataset(
            f"column {shown(name)} holds {cells.null_count:,} rows or lists without a value; "
            "expected a list in each: fill or remove them"
        )


def _numbers(cells: pa.Array, name: str, *, may_end: bool) -> NDArray[Any]:
    """The innermost values; missing ones, where signals may end with them, are NaN."""
    kind = cells.type
    is_numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not is_numeric:
        raise InvalidDataset(
            f"column {shown(name)} holds lists of {kind}; expected lists of numbers, which are "
            "examples: remove the column, or name it as the target where it lists labels"
        )
    if cells.null_count and not may_end:
        raise InvalidDataset(
            f"column {shown(name)} holds lists of {kind} with {cells.null_count} missing values; "
            "expected numbers without gaps"
        )
    return np.asarray(cells.to_numpy(zero_copy_only=False))
