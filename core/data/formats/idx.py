"""IDX files as of MNIST: arrays of numbers, often gzipped (format: yann.lecun.com/exdb/mnist).

Names say what a file holds, as `train-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte` do.
"""

import gzip
import re
import zlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.files import UNREADABLE, Files, ReadLimits, shown, without_top_folder
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.errors import InvalidDataset

_KINDS = "ubyte|byte|short|int|float|double"  # of values, as names say them
_NAME = re.compile(rf"(?P<start>.*?)[-_.](?:idx\d[-_.]?(?:{_KINDS})?)(?:\.gz)?", re.IGNORECASE)
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_MAX_AXES = 4
_SHOWN = 8  # names of files in messages
_EXPECTED = (
    "expected train-images-idx3-ubyte and train-labels-idx1-ubyte, optionally with t10k- (or "
    "test-) and val-, each also with .gz"
)


@FORMATS.register("idx")
class Idx(AbstractFormat):
    """Images and labels in IDX files."""

    description = (
        "a folder or zip of IDX files: train-images-idx3-ubyte, train-labels-idx1-ubyte and "
        "optionally t10k-…, also gzipped"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        return any(_NAME.fullmatch(name.rpartition("/")[2]) for name in files.names)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
        arrays: dict[str, dict[str, NDArray[Any]]] = {"x": {}, "y": {}}
        left = limits.bytes
        for name, full in without_top_folder(files.names).items():
            split, role = _meaning(name)
            if split in arrays[role]:
                raise InvalidDataset(f"{shown(name)} comes twice, packed and unpacked; {_EXPECTED}")
            arrays[role][split] = array = _array(files, full, left)
            left -= array.nbytes
        examples, labels = arrays["x"], arrays["y"]
        if examples.keys() != labels.keys() or "train" not in examples:
            found = ", ".join(shown(name) for name in sorted(files.names)[:_SHOWN])
            raise InvalidDataset(f"found the files {found}; {_EXPECTED}")
        return RawData(parts={split: Part(examples[split], labels[split]) for split in examples})


def _meaning(name: str) -> tuple[str, str]:
    """(split, "x" or "y") of a file with this name."""
    found = _NAME.fullmatch(name)
    words = re.split(r"[-_. ]", found["start"].lower()) if found else []
    splits = {"t10k": "test", "test": "test", "val": "validation", "validation": "validation"}
    split = next((splits[word] for word in words if word in splits), "train")
    if "labels" in words or "label" in words:
        return split, "y"
    if "images" in words or "image" in words:
        return split, "x"
    raise InvalidDataset(f"found the file {shown(name)}; {_EXPECTED}: rename or remove it")


def _array(files: Files, full: str, most: int) -> NDArray[Any]:
    """The array in a file, which may be gzipped and unpack to `most` bytes."""
    try:
        with files.open(full) as stream:
            packed = stream.read(2) == _GZIP
        with files.open(full) as stream:
            source = gzip.GzipFile(fileobj=stream) if packed else stream
            return _parsed(source, full, most)
    except (*UNREADABLE, zlib.error) as error:
        raise InvalidDataset(f"{shown(full)} cannot be unpacked: {error}") from error


def _parsed(stream: Any, name: str, most: int) -> NDArray[Any]:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or start[3] > _MAX_AXES:
        raise InvalidDataset(f"{shown(name)} is no IDX file; {_EXPECTED}")
    axes = start[3]
    lengths = stream.read(4 * axes)
    shape = tuple(int.from_bytes(lengths[at : at + 4]) for at in range(0, 4 * axes, 4))
    dtype = np.dtype(_TYPES[start[2]])
    size = prod(shape) * dtype.itemsize
    if size > most:
        raise InvalidDataset(
            f"{shown(name)} claims shape {shape}, {size} bytes; expected at most {most}"
        )
    array, found = scratch.filled(stream, shape, dtype)
    if found != size:
        raise InvalidDataset(
            f"{shown(name)} claims shape {shape}, {size} bytes, but holds {found} or more"
        )
    native = dtype.newbyteorder("=")
    return (array if dtype == native else array.byteswap(inplace=True)).view(native)
