"""Large arrays in temporary files, so that they need disk and not memory.

The pages of such an array are those of a file: the kernel writes them to the disk and reclaims them
where memory is short. The file has no name and vanishes with the array. It lies in the folder for
temporary files (`TMPDIR`), which should not be a file system in memory.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import DiskFull

SMALL = 2**22  # bytes: an array up to this size is in memory
_BLOCK = 2**20  # bytes that are read or copied at once


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
        view[count : count + len(block)] = block
        count += len(block)
    return array, count + len(stream.read(1) if count == len(view) else b"")


def blocks(x: NDArray[Any], count: int | None = None) -> Iterator[slice]:
    """Slices of the examples of an array, few at a time; of `count` rows of it, if given."""
    size = max(1, x.itemsize * prod(x.shape[1:]))
    step = max(1, _BLOCK // size)
    total = len(x) if count is None else count
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


def arranged(x: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """The array in the order of its axes and of this type; itself where it is so."""
    if x.flags.c_contiguous and x.dtype == dtype:
        return x
    found = empty(x.shape, dtype)
    for block in blocks(x):
        found[block] = x[block]
    return found


def rows(x: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
    """A copy of these rows."""
    found = empty((len(indices), *x.shape[1:]), x.dtype)
    for block in blocks(x, len(indices)):
        found[block] = x[indices[block]]
    return found


def joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The rows of several arrays of one type below each other."""
    first = arrays[0]
    found = empty((sum(map(len, arrays)), *first.shape[1:]), np.result_type(*arrays))
    start = 0
    for one in arrays:
        found[start : (start := start + len(one))] = one
    return found
