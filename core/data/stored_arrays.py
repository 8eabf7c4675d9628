"""The file of a data set: named arrays and texts about them, in the format safetensors.

Equal contents give equal bytes: arrays and texts have a fixed order. Arrays are written and read
without a copy of them in memory.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.errors import CorruptBlob

#: How safetensors names the types that data sets are stored in, the largest alignment first.
_TYPES = {"I64": np.int64, "F64": np.float64, "F32": np.float32, "I32": np.int32, "U8": np.uint8}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_METADATA = "__metadata__"
_MOST_HEADER = 2**24  # bytes
_ALIGNMENT = 8  # bytes, of the first array


def write_arrays(
    file: BinaryIO, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Write the arrays, which are in the order of their axes, and the texts."""
    order = list(_TYPES)
    names = sorted(arrays, key=lambda name: (order.index(_NAMES[arrays[name].dtype]), name))
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    end = 0
    for name in names:
        x = arrays[name]
        header[name] = {
            "dtype": _NAMES[x.dtype], "shape": x.shape, "data_offsets": (end, end := end + x.nbytes)
        }  # fmt: skip
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        content = arrays[name].reshape(-1).view(np.uint8)
        for block in scratch.blocks(content):
            file.write(content[block].data)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where an array is in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int  # in bytes, from the start of the file

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize


class StoredArrays:
    """The arrays in the file of a data set, read as a whole, by rows, or as parts of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._header, self._start = _header(file)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts about the arrays."""
        found = self._header.get(_METADATA)
        return found if isinstance(found, dict) else {}

    def all(self, name: str) -> NDArray[Any]:
        """An array in memory; raises CorruptBlob where the file has no such array."""
        entry = self._entry(name)
        return self.first(name, entry.shape[0] if entry.shape else 1)

    def mapped(self, name: str, path: Path) -> NDArray[Any]:
        """An array as a part of the file, which is mapped from its path and cannot be written."""
        entry = self._entry(name)
        if 0 in entry.shape:
            return np.empty(entry.shape, entry.dtype)
        try:
            found = np.memmap(path, entry.dtype, "r", entry.begin, entry.shape)
        except ValueError:
            raise _ends_early() from None
        return found.view(np.ndarray)

    def rows(self, name: str, indices: Sequence[int]) -> NDArray[Any]:
        """These rows of an array; CorruptBlob where the file has no such array or row."""
        entry = self._entry(name)
        found = np.empty((len(indices), *entry.shape[1:]), entry.dtype)
        for index, row in enumerate(indices):
            self._file.seek(entry.begin + row * entry.row_bytes)
            found[index] = self._values(entry, entry.shape[1:])
        return found

    def first(self, name: str, most: int) -> NDArray[Any]:
        """The first rows of an array, at most `most`."""
        entry = self._entry(name)
        self._file.seek(entry.begin)
        return self._values(entry, (min(most, entry.shape[0]), *entry.shape[1:]))

    def row_bytes(self, name: str) -> int:
        """The size of one row of an array."""
        return self._entry(name).row_bytes

    def _entry(self, name: str) -> _Entry:
        try:
            found = self._header[name]
            begin, end = map(int, found["data_offsets"])
            dtype, shape = np.dtype(_TYPES[found["dtype"]]), tuple(map(int, found["shape"]))
            entry = _Entry(dtype, shape, self._start + begin)
            size = prod(entry.shape) * entry.dtype.itemsize
            if not entry.shape or min(entry.shape) < 0 or begin < 0 or end - begin != size:
                raise ValueError(found)
        except (KeyError, TypeError, ValueError, IndexError):
            raise CorruptBlob(f"there is no array {name!r} that can be read") from None
        return entry

    def _values(self, entry: _Entry, shape: tuple[int, ...]) -> NDArray[Any]:
        """The next values of the file in this shape."""
        size = prod(shape) * entry.dtype.itemsize
        data = self._file.read(size)
        if len(data) != size:
            raise _ends_early()
        return np.frombuffer(data, entry.dtype).reshape(shape)


def _ends_early() -> CorruptBlob:
    return CorruptBlob("the file ends before its arrays do")


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """What the file says of its arrays, and where their bytes begin."""
    size = int.from_bytes(file.read(8), "little")
    try:
        if not 0 < size <= _MOST_HEADER:
            raise ValueError(size)
        entries = json.loads(file.read(size))
        if not isinstance(entries, dict):
            raise ValueError(entries)
    except (ValueError, RecursionError):
        raise CorruptBlob("there is no header that can be read") from None
    return entries, 8 + size
