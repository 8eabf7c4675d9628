"""NumPy's npz: a zip file of arrays.

Arrays `x_train`, `y_train` and, optionally, `x_test`, `y_test`; or `x`, `y`, from which a fifth is
taken for testing. Optionally `class_names`. Examples are images (N, H, W), (N, H, W, C) or
(N, C, H, W), or vectors (N, F); of four axes the last holds the channels, unless it is longer than
four and the second is not. An optional `layout` names the axes by these letters instead; with L it
makes the examples signals, (N, C, L), (N, L, C) or (N, L). Labels are integers or strings.

Every size is checked before memory is allocated: first the zip directory, then the header of each
array, which must claim exactly as many bytes as the directory does.
"""

import tokenize
import zipfile
import zlib
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from core.data.datasets import (
    Arrays,
    check_values,
    class_indices,
    stratified_test_split,
    validate,
)
from core.data.formats.abstract import FORMATS, AbstractFormat, ReadLimits
from core.data.stored_type import stored_type
from core.errors import InvalidDataset

_TEXTS = frozenset({"class_names", "layout"})
_NAMES = frozenset({"x_train", "y_train", "x_test", "y_test", "x", "y"}) | _TEXTS
_LAYOUTS = ("NHW", "NHWC", "NCHW", "NL", "NLC", "NCL", "NF")
_TEST_SHARE = 0.2
_SPLIT_SEED = 20181  # fixed: the same file always gives the same test split
_MAX_CHANNELS = 4
_DIRECTORY = 2**18  # bytes read at once while the zip directory is searched
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError)
_WRONG_HEADER = (
    ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError
)  # fmt: skip


@FORMATS.register("npz")
class Npz(AbstractFormat):
    """NumPy arrays in a zip file, without pickled objects."""

    @classmethod
    def recognises(cls, start: bytes) -> bool:
        return start.startswith(b"PK\x03\x04")

    @classmethod
    def parse(cls, file: BinaryIO, limits: ReadLimits) -> Arrays:
        try:
            zipfile.ZipFile(_LimitedReads(file)).close()  # fails unless the directory is short
            with zipfile.ZipFile(file) as archive:
                arrays = _read(archive, limits)
        except _UNREADABLE as error:
            raise InvalidDataset(f"the file is not a readable npz file: {error}") from error
        result = _splits(arrays)
        validate(result)
        return result


class _LimitedReads:
    """A file that returns few bytes at once: a huge zip directory seems to be cut off."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, _DIRECTORY) if size >= 0 else _DIRECTORY)


def _read(archive: zipfile.ZipFile, limits: ReadLimits) -> dict[str, NDArray[Any]]:
    """The arrays by name; unknown names are refused, as they may be misspelt."""
    entries = archive.infolist()
    if len(entries) > limits.arrays:
        raise InvalidDataset(f"found {len(entries)} arrays; expected at most {limits.arrays}")
    if (total := sum(entry.file_size for entry in entries)) > limits.bytes:
        raise InvalidDataset(f"the arrays unpack to {total} bytes; expected at most {limits.bytes}")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name not in _NAMES or name in arrays or name == entry.filename:
            raise InvalidDataset(
                f"found an array {name[:64]!r}; expected each of {sorted(_NAMES)} at most once"
            )
        arrays[name] = _array(archive, entry, name, limits)
    return arrays


def _array(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, limits: ReadLimits
) -> NDArray[Any]:
    """One array; its bytes are read only if its header claims exactly as many."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
        raise InvalidDataset(f"{name} is encrypted or packed in an unknown way; expected plain npz")
    if entry.file_size > 2**20 and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        raise InvalidDataset(
            f"{name} claims to unpack {entry.compress_size} bytes to {entry.file_size}; "
            f"expected a ratio of at most {limits.ratio}"
        )
    with archive.open(entry) as stream:
        shape, fortran, dtype, offset = _header(stream, name, limits)
        size = prod(shape) * dtype.itemsize
        if size != entry.file_size - offset:
            raise InvalidDataset(
                f"{name} claims shape {shape} of {dtype}, {size} bytes, but holds "
                f"{entry.file_size - offset}"
            )
        data = stream.read(size + 1)
    if len(data) != size:
        raise InvalidDataset(f"{name} ends after {len(data)} bytes; expected {size}")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False))


def _header(
    stream: Any, name: str, limits: ReadLimits
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order?, dtype, length of the header) of an npy stream."""
    try:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=limits.header)
    except _WRONG_HEADER as error:
        raise InvalidDataset(f"{name} has no readable npy header") from error
    if dtype.hasobject:
        raise InvalidDataset(f"{name} holds pickled objects; expected numbers (or strings)")
    if dtype.kind not in ("U" if name in _TEXTS else "biufU" if name[0] == "y" else "biuf"):
        raise InvalidDataset(f"{name} is of type {dtype}; expected numbers (labels: or strings)")
    if any(length < 0 for length in shape) or dtype.itemsize == 0 or dtype.itemsize > 4096:
        raise InvalidDataset(f"{name} has shape {shape} of {dtype}; expected a plain array")
    return shape, fortran, dtype, stream.tell()


def _splits(arrays: dict[str, NDArray[Any]]) -> Arrays:
    """The four arrays of a data set, from any allowed combination of arrays."""
    names = _class_names(arrays.pop("class_names", None))
    layout = _layout(arrays.pop("layout", None))
    given = set(arrays)
    if given == {"x", "y"}:
        return _cut(arrays["x"], arrays["y"], names, layout)
    if given == {"x_train", "y_train"}:
        return _cut(arrays["x_train"], arrays["y_train"], names, layout)
    if given == {"x_train", "y_train", "x_test", "y_test"}:
        y_train, y_test = _labels(arrays["y_train"]), _labels(arrays["y_test"])
        train, test, classes = class_indices(y_train, y_test, names)
        assert test is not None
        layout = layout or _usual_layout(arrays["x_train"])
        x_train, x_test = _examples([arrays["x_train"], arrays["x_test"]], layout)
        return Arrays(x_train, train, x_test, test, classes, layout)
    raise InvalidDataset(
        f"found arrays {sorted(given)}; expected x and y, or x_train and y_train, "
        "or these with x_test and y_test"
    )


def _cut(
    x: NDArray[Any], y: NDArray[Any], names: tuple[str, ...] | None, layout: str | None
) -> Arrays:
    """Examples and labels with a fifth of each class set aside for testing."""
    labels, _, classes = class_indices(_labels(y), None, names)
    layout = layout or _usual_layout(x)
    (examples,) = _examples([x], layout)
    if len(labels) != len(examples):
        raise InvalidDataset(f"found {len(examples)} examples and {len(labels)} labels")
    train, test = stratified_test_split(labels, _TEST_SHARE, _SPLIT_SEED)
    return Arrays(examples[train], labels[train], examples[test], labels[test], classes, layout)


def _examples(arrays: list[NDArray[Any]], layout: str) -> list[NDArray[Any]]:
    """Examples, channels first, in the smallest type that keeps what they say."""
    for x in arrays:
        if x.ndim not in (2, 3, 4) or 0 in x.shape:
            raise InvalidDataset(
                f"examples have shape {x.shape}; expected (N, H, W), (N, H, W, C), (N, C, H, W) "
                "or (N, features), or signals by their `layout`"
            )
        if len(layout) != x.ndim:
            raise InvalidDataset(
                f"examples have shape {x.shape}; expected {len(layout)} axes as layout {layout!r}"
            )
        check_values(x, "examples")
    ordered = [_channels_first(x, layout) for x in arrays]
    dtype = stored_type(ordered)
    return [np.ascontiguousarray(x, dtype) for x in ordered]


def _usual_layout(x: NDArray[Any]) -> str:
    """The layout that examples without a `layout` are taken to have."""
    if x.ndim == 4:
        return "NCHW" if x.shape[3] > _MAX_CHANNELS >= x.shape[1] else "NHWC"
    return {2: "NF", 3: "NHW"}.get(x.ndim, "")


def _channels_first(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """(N, C, H, W), (N, C, L) or (N, F)"""
    if "C" in layout:
        return np.moveaxis(x, layout.index("C"), 1)
    return x if layout == "NF" else x[:, None]


def _labels(y: NDArray[Any]) -> NDArray[Any]:
    """Labels (N,) as integers or strings; integers stored as floats are converted."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(y) == 0:
        raise InvalidDataset(f"labels have shape {y.shape}; expected (N,), one per example")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all() or (y != np.round(y)).any() or np.abs(y).max() > 2**31:
            raise InvalidDataset("labels are fractions, NaN or huge; expected integers or strings")
        return y.astype(np.int64)
    if y.dtype.kind == "u" and y.max() > 2**31:
        raise InvalidDataset(f"the largest label is {y.max()}; expected at most {2**31}")
    return y.astype(np.int64) if y.dtype.kind in "biu" else y


def _layout(layout: NDArray[Any] | None) -> str | None:
    if layout is None:
        return None
    texts = [str(text) for text in layout.ravel()]
    if len(texts) != 1 or texts[0] not in _LAYOUTS:
        raise InvalidDataset(f"layout is {str(texts)[:64]}; expected one of {', '.join(_LAYOUTS)}")
    return texts[0]


def _class_names(names: NDArray[Any] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    texts = tuple(str(name).strip() for name in names.ravel())
    if len(set(texts)) != len(texts) or not all(0 < len(text) <= 128 for text in texts):
        raise InvalidDataset("class_names must be different, non-empty, of at most 128 characters")
    if not all(text.isprintable() for text in texts):
        raise InvalidDataset("class_names hold unprintable characters; expected plain text")
    return texts
