"""Archives of torch.export (.pt2), read as data, with limits; nothing in them is unpickled or run.

An archive is a ZIP file of uncompressed entries in one folder. Of these are read, for a model NAME:

    archive_format                          "pt2"
    models/NAME.json                        the program
    data/weights/NAME_weights_config.json   file, dtype, sizes and strides of each weight
    data/weights/weight_0, ...              the bytes of the weights
    data/constants/                         the same for the constants of the program

Tensors of special types, objects of the program's and the example inputs (data/sample_inputs) are
pickled there. They are not read; a program that needs one of them is refused.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import error as StructError
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from netmorph.errors import UnreadableNetwork
from netmorph.importing.graph import Array
from netmorph.importing.operations import MOST_BYTES, check_size

MOST_JSON = 1 << 26  # bytes of one entry
OTHER_WAY = (
    "write it with torch.export.save of torch 2.13, or as an ONNX file with torch.onnx.export"
)
_FORMAT = "archive_format"
_ENCRYPTED = 1  # bit of the flags of an entry
_STRIDED = 7  # the layout of a dense tensor
_BFLOAT16 = 13
#: What reading a damaged archive, or JSON of another form, can raise: JSON that nests deeply raises
#: RecursionError, which is a RuntimeError.
_FAULTS = (
    *(BadZipFile, StructError, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
)
_DTYPES: Mapping[int, str] = {
    **{1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 12: "?"},
    **{6: "<f2", 7: "<f4", 8: "<f8", _BFLOAT16: "<u2"},
}


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive."""

    path: Path
    file: ZipFile
    folder: str

    def has(self, name: str) -> bool:
        return f"{self.folder}/{name}" in self.file.NameToInfo

    def names(self, folder: str, suffix: str) -> list[str]:
        """The names of the entries of a folder that end so, without both."""
        start = f"{self.folder}/{folder}/"
        return [
            name.removeprefix(start).removesuffix(suffix)
            for name in self.file.namelist()
            if name.startswith(start) and name.endswith(suffix)
        ]

    def data(self, name: str) -> bytes:
        if not self.has(name):
            raise UnreadableNetwork(f"{self.path} has no entry {name!r}: it is damaged")
        return self.file.read(f"{self.folder}/{name}")

    def json(self, name: str) -> Any:
        data = self.data(name)
        if len(data) > MOST_JSON:
            raise UnreadableNetwork(
                f"the entry {name!r} of {self.path} has {len(data)} bytes; expected at most "
                f"{MOST_JSON}"
            )
        return json.loads(data)

    def tensor(self, name: str, entry: str, meta: Mapping[str, Any]) -> Array:
        """The values of a tensor, whose bytes are one entry, or a part of it."""
        dtype, sizes, strides, offset = _layout(name, meta)
        found = np.frombuffer(self.data(entry), dtype)
        last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        size = prod(sizes)
        if not 0 < size <= len(found) or last >= len(found):
            raise UnreadableNetwork(
                f"the tensor {name!r} of {self.path} has sizes {sizes}, strides {strides} and "
                f"offset {offset}, but only {len(found)} values are stored in {entry!r}"
            )
        steps = [step * dtype.itemsize for step in strides]
        values = np.lib.stride_tricks.as_strided(found[offset:], sizes, steps)
        if meta["dtype"] == _BFLOAT16:  # the upper half of a float32
            return (values.astype("<u4") << 16).view("<f4")
        return values.copy()  # so that it holds no more memory than its own


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive of a file; raises UnreadableNetwork where it, or a part that is read, is bad."""
    size = check_size(path)
    try:
        with ZipFile(path) as file:
            yield Archive(path, file, _folder(file.infolist(), size, path))
    except OSError as error:
        raise UnreadableNetwork(f"{path} cannot be read: {error.strerror or error}") from None
    except _FAULTS as error:
        raise UnreadableNetwork(
            f"{path} is no program of torch.export, or it is damaged: {str(error) or repr(error)}"
        ) from None


def _folder(entries: list[ZipInfo], size: int, path: Path) -> str:
    """The folder of all entries, after a look at their sizes."""
    names = {entry.filename for entry in entries}
    if any(e.compress_type != ZIP_STORED or e.flag_bits & _ENCRYPTED for e in entries):
        raise UnreadableNetwork(
            f"{path} has compressed or encrypted entries; expected them as torch.export.save "
            f"writes them: {OTHER_WAY}"
        )
    if sum(max(e.file_size, e.compress_size) for e in entries) > size:
        raise UnreadableNetwork(f"{path} is damaged: its entries are larger than the whole file")
    if "serialized_exported_program.json" in names:
        raise _pickled(path, "weights of an older torch")
    folder = next(iter(names), "").split("/")[0]
    if f"{folder}/data.pkl" in names:
        raise _pickled(path, "a network of torch.save or TorchScript")
    if f"{folder}/{_FORMAT}" not in names:
        raise UnreadableNetwork(f"{path} is no program of torch.export: {OTHER_WAY}")
    return folder


def _pickled(path: Path, what: str) -> UnreadableNetwork:
    return UnreadableNetwork(
        f"{path} holds {what} as pickled objects, which can run programs where they are read, so "
        f"it is not read: {OTHER_WAY}"
    )


def weights(archive: Archive, folder: str, model: str) -> Mapping[str, Any]:
    """What is known of the tensors of data/weights or data/constants, by name."""
    entry = f"data/{folder}/{model}_{folder}_config.json"
    if not archive.has(entry) and archive.has(f"data/{folder}/{model}.pt"):
        raise _pickled(archive.path, f"{folder} of an older torch")
    found: Mapping[str, Any] = archive.json(entry)["config"]
    return found


def stored(archive: Archive, folder: str, name: str, about: Mapping[str, Any]) -> Array:
    """A tensor of data/weights or data/constants."""
    if about["use_pickle"]:
        raise _pickled(archive.path, f"the tensor {name!r}")
    return archive.tensor(name, f"data/{folder}/{about['path_name']}", about["tensor_meta"])


def _layout(name: str, meta: Mapping[str, Any]) -> tuple[np.dtype[Any], list[int], list[int], int]:
    """The dtype, sizes, strides and offset of a tensor."""
    if meta["dtype"] not in _DTYPES or meta["layout"] != _STRIDED:
        raise ValueError(f"the tensor {name!r} is not dense, or of a type that is not known")
    sizes, strides = ([_count(one) for one in meta[key]] for key in ("sizes", "strides"))
    return np.dtype(_DTYPES[meta["dtype"]]), sizes, strides, _count(meta["storage_offset"])


def _count(found: Mapping[str, Any]) -> int:
    value = found["as_int"]
    if type(value) is not int or not 0 <= value <= MOST_BYTES:
        raise ValueError(f"{value!r} is no number of values")
    return value
