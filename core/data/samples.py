"""A few examples of a stored data set, read without the others."""

import json
from collections.abc import Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.errors import CorruptBlob

#: How safetensors names the types that data sets are stored in.
_TYPES = {"U8": np.uint8, "F32": np.float32, "F64": np.float64, "I64": np.int64}
_MOST_HEADER = 2**24  # bytes


class StoredArrays:
    """The arrays of a safetensors file, of which rows are read by themselves."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries, self._start = _header(file)

    def rows(self, name: str, indices: Sequence[int]) -> NDArray[Any]:
        """These rows of an array; CorruptBlob where the file has no such array or row."""
        dtype, shape, begin = self._entry(name)
        size = prod(shape[1:]) * dtype.itemsize
        found = np.empty((len(indices), *shape[1:]), dtype)
        for index, row in enumerate(indices):
            self._file.seek(begin + row * size)
            found[index] = _values(self._file.read(size), dtype, shape[1:])
        return found

    def first(self, name: str, most: int) -> NDArray[Any]:
        """The first rows of an array, at most `most`."""
        dtype, shape, begin = self._entry(name)
        kept = (min(most, shape[0]), *shape[1:])
        self._file.seek(begin)
        return _values(self._file.read(prod(kept) * dtype.itemsize), dtype, kept)

    def row_bytes(self, name: str) -> int:
        """The size of one row of an array."""
        dtype, shape, _ = self._entry(name)
        return prod(shape[1:]) * dtype.itemsize

    def _entry(self, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
        try:
            entry = self._entries[name]
            dtype = np.dtype(_TYPES[entry["dtype"]])
            return dtype, tuple(entry["shape"]), self._start + entry["data_offsets"][0]
        except (KeyError, TypeError, IndexError):
            raise CorruptBlob(
                f"the stored data set has no array {name!r} that can be read"
            ) from None


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """What the file says of its arrays, and where their bytes begin."""
    size = int.from_bytes(file.read(8), "little")
    try:
        if not 0 < size <= _MOST_HEADER:
            raise ValueError(size)
        entries: dict[str, Any] = json.loads(file.read(size))
    except ValueError:
        raise CorruptBlob("the stored data set has no header that can be read") from None
    return entries, 8 + size


def _values(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if len(data) != prod(shape) * dtype.itemsize:
        raise CorruptBlob("the stored data set ends before its arrays do")
    return np.frombuffer(data, dtype).reshape(shape)
