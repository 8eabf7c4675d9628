"""Large arrays in temporary files, so that they need disk and not memory.

The pages of such an array are those of a file: the kernel writes them to the disk and reclaims them
where memory is short. The file has no name and vanishes with the array. It lies in the folder for
temporary files (`TMPDIR`), which should not be a file system in memory.
"""

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.data import interruption
from core.errors import DiskFull

#: Called between two blocks of a long reading; what it raises ends the reading.
OnBlock = Callable[[], None]

SMALL = 2**22  # bytes: an array up to this size is in memory
_BLOCK = 2**20  # bytes that are read or copied at once


def nothing() -> None:
    """Let a reading go on to its end."""


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """An array to be filled; raises DiskFull where the disk has no room for it."""
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if size <= SMALL:
        return np.empty(shape, kind)
    with tempfile.TemporaryFile(prefix="netmorph-") as file:
        _reserve(file.fileno(), size)
        mapped = mmap.mmap(file.fileno(), size)
    return np.frombuffer(mapped, kind).reshape(shape)


def _reserve(descriptor: int, size: int) -> None:
    """Give the file its size; a disk that is full is an error here, and no crash later."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.truncate(descriptor, size)
    except OSError as error:
        raise DiskFull(
            f"{tempfile.gettempdir()} has no room for {size:,} bytes: {error.strerror}; "
            "expected three times the size of the data: make some, or set TMPDIR to another folder"
        ) from error


def filled(stream: BinaryIO, shape: Sequence[int], dtype: DTypeLike) -> tuple[NDArray[Any], int]:
    """(an array of the next bytes of a stream, how many it had: up to one more than needed)"""
    array = empty(shape, dtype)
    view = array.reshape(-1).view(np.uint8).data
    count = 0
    while count < len(view) and (block := stream.read(min(_BLOCK, len(view) - count))):
        interruption.check()
        view[count : count + len(block)] = block
        count += len(block)
    return array, count + len(stream.read(1) if count == len(view) else b"")


def blocks(x: NDArray[Any], count: int | None = None) -> Iterator[slice]:
    """Slices of the examples of an array, few at a time; of `count` rows of it, if given."""
    size = max(1, x.itemsize * prod(x.shape[1:]))
    step = max(1, _BLOCK // size)
    total = len(x) if count is None else count
    for start in range(0, total, step):
        interruption.check()
        yield slice(start, min(start + step, total))


def arranged(x: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """The array in the order of its axes and of this type; itself where it is so."""
    if x.flags.c_contiguous and x.flags.aligned and x.dtype == dtype:
        return x
    return copied([(x, None)], dtype)


def copied(
    parts: Sequence[tuple[NDArray[Any], NDArray[np.intp] | None]], dtype: DTypeLike
) -> NDArray[Any]:
    """A copy of rows of several arrays below each other, in the order of their axes.

    Of each array those at the indices are taken, or all without.
    """
    lengths = [len(x if indices is None else indices) for x, indices in parts]
    found = empty((sum(lengths), *parts[0][0].shape[1:]), dtype)
    start = 0
    for (x, indices), length in zip(parts, lengths, strict=True):
        for block in blocks(x, length):
            rows = x[block] if indices is None else x[indices[block]]
            found[start + block.start : start + block.stop] = rows
        start += length
    return found


def value_range(x: NDArray[Any], on_block: OnBlock = nothing) -> tuple[float, float]:
    """(the least, the greatest) of all values, read once; NaN where any value is."""
    found = []
    for one in blocks(x):
        found.append((x[one].min(), x[one].max()))
        on_block()
    low, high = np.array(found).T
    return float(low.min()), float(high.max())
