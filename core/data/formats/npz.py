"""NumPy arrays: an npz file, or a zip file or folder of npy files.

An array of examples is called `x`, `images`, `data`, …, one of labels `y`, `labels`, `target`, …;
a split stands before or behind the name: `x_train`, `val_images`, `Y_test`. Without a split they
are for training; so does a folder: `val/x.npy`. Optional are `class_names`, and `layout`, which
names the axes of the examples, and for each split `groups` or `time`, by which it is made.

The bytes of an array are read only if its header claims exactly as many as the archive does.
"""

import re
import tokenize
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from core.data import scratch
from core.data.files import UNREADABLE, Files, ReadLimits, shown, without_top_folder
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.data.labels import text_of
from core.data.part_names import PARTS, WORDS
from core.errors import InvalidDataset

_EXAMPLES = ("x", "images", "image", "imgs", "img", "data", "features", "inputs", "input",
             "samples", "signals", "series")  # fmt: skip
_LABELS = ("y", "labels", "label", "targets", "target")
_GROUPS, _TIMES = ("groups", "group"), ("time", "times", "timestamp", "timestamps")
_ARRAY = re.compile(
    rf"(?:(?P<before>{WORDS})[_\-. /]?)?"
    rf"(?:(?P<x>{'|'.join(_EXAMPLES)})|(?P<y>{'|'.join(_LABELS)})"
    rf"|(?P<groups>{'|'.join(_GROUPS)})|(?P<times>{'|'.join(_TIMES)}))"
    rf"(?:[_\-. ]?(?P<behind>{WORDS}))?"
)
_CLASS_NAMES = frozenset({"class_names", "classes", "label_names", "target_names"})
_POSITIONAL = {"arr_0": "x", "arr_1": "y"}  # the names that numpy.savez(file, x, y) gives
_EXPECTED = (
    "expected x and y, or x_train and y_train, optionally with x_val, y_val, x_test, y_test, "
    "groups, time, class_names and layout"
)
_WRONG_HEADER = (
    ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError
)  # fmt: skip
_CELL = 4096  # bytes of one value
_LAST_CHARACTER = 0x10FFFF  # of Unicode


@FORMATS.register("npz")
class Npz(AbstractFormat):
    """NumPy arrays in a zip file, without pickled objects."""

    description = (
        "an npz file, or a folder or zip of npy files: arrays x and y (or images and labels, "
        "X_train and y_train, …), optionally with _val, _test, class_names, layout"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        return any(name.endswith(".npy") for name in files.names)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
        names = _names(files, limits)
        arrays: dict[str, NDArray[Any]] = {}
        for name, full in names.items():
            try:
                arrays[name] = _array(files, full, name, limits)
            except UNREADABLE as error:
                raise InvalidDataset(
                    f"the file is not a readable npz file: {name}: {error}"
                ) from error
        return _raw(arrays)


def _names(files: Files, limits: ReadLimits) -> dict[str, str]:
    """The names of the files by the names of their arrays; unknown ones are refused.

    An unknown name may be misspelt, and an array that is left out may be missed.
    """
    if len(files.names) > limits.arrays:
        raise InvalidDataset(f"found {len(files.names)} arrays; expected at most {limits.arrays}")
    names = {}
    for name, full in without_top_folder(files.names).items():
        array = name.removesuffix(".npy")
        known = array.lower() in _CLASS_NAMES | {"layout"} | _POSITIONAL.keys()
        if array == name or not (known or _ARRAY.fullmatch(array.lower())):
            raise InvalidDataset(f"found an array {shown(array)}; {_EXPECTED}: rename or remove it")
        names[array] = full
    return names


def _array(files: Files, full: str, name: str, limits: ReadLimits) -> NDArray[Any]:
    """One array; its bytes are read only if its header claims exactly as many."""
    claimed = files.size(full)
    with files.open(full) as stream:
        shape, fortran, dtype, offset = _header(stream, name, limits)
        size = prod(shape) * dtype.itemsize
        if size != claimed - offset:
            raise InvalidDataset(
                f"{name} claims shape {shape} of {dtype}, {size} bytes, but holds "
                f"{claimed - offset}"
            )
        if (mapped := files.mapped(full)) is None:
            array, found = scratch.filled(stream, (prod(shape),), dtype)
        else:
            array, found = np.frombuffer(mapped, dtype, prod(shape), offset), size
    if found != size:
        raise InvalidDataset(f"{name} ends after {found} bytes; expected {size}")
    native = dtype.newbyteorder("=")
    array = array.reshape(shape, order="F" if fortran else "C")
    if fortran or dtype != native:
        array = scratch.arranged(array, native)
    if dtype.kind == "U" and size and array.reshape(-1).view(np.uint32).max() > _LAST_CHARACTER:
        raise InvalidDataset(f"{name} holds characters that do not exist; expected Unicode text")
    return array


def _header(
    stream: BinaryIO, name: str, limits: ReadLimits
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order?, dtype, length of the header) of an npy stream."""
    try:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=limits.header)
    except _WRONG_HEADER as error:
        raise InvalidDataset(f"{name} has no readable npy header") from error
    _check_type(name, dtype)
    if dtype.kind == "U" and dtype.itemsize > _CELL:
        raise InvalidDataset(
            f"{name} holds texts of up to {dtype.itemsize // 4:,} characters, and as much room for "
            f"each; expected at most {_CELL // 4:,}: save long texts as a column of a table, such "
            "as JSON Lines or Parquet"
        )
    if any(length < 0 for length in shape) or dtype.itemsize == 0 or dtype.itemsize > _CELL:
        raise InvalidDataset(f"{name} has shape {shape} of {dtype}; expected a plain array")
    if not shape and not _is_text(name):
        raise InvalidDataset(
            f"{name} is a single value; expected an array with an entry for each example"
        )
    return shape, fortran, dtype, stream.tell()


def _check_type(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        is_x = name.lower() not in _CLASS_NAMES | {"layout"} and _role(name) == "x"
        more = "; signals of different lengths end with NaN in one array, with a layout" * is_x
        raise InvalidDataset(
            f"{name} holds pickled objects; expected numbers (or strings): "
            f"save {name}.astype(str) or {name}.astype(float){more}"
        )
    if name.lower() == "layout" or name.lower() in _CLASS_NAMES:
        kinds, expected = "US", "strings"
    elif (role := _role(name)) in ("y", "groups"):
        kinds, expected = "biufUS", "numbers or strings"
    elif role == "times":
        kinds, expected = "iufM", "numbers or datetime64"
    else:
        kinds, expected = "biufU", "numbers or texts"
    if dtype.kind not in kinds:
        raise InvalidDataset(f"{name} is of type {dtype}; expected {expected}")


def _raw(arrays: dict[str, NDArray[Any]]) -> RawData:
    """The parts of the data set, from any allowed combination of arrays."""
    notes: tuple[str, ...] = ()
    if arrays.keys() == _POSITIONAL.keys():
        arrays = {_POSITIONAL[name]: array for name, array in arrays.items()}
        notes = ("arrays without names: the first is taken as examples, the second as labels",)
    texts = {name: arrays.pop(name) for name in list(arrays) if _is_text(name)}
    layout = next((texts[name] for name in texts if name.lower() == "layout"), None)
    names = [array for name, array in texts.items() if name.lower() != "layout"]
    if len(names) > 1:
        raise InvalidDataset(f"found {sorted(texts)}; expected the names of the classes once")
    return RawData(
        parts=_parts(arrays),
        class_names=tuple(map(text_of, names[0].ravel())) if names else None,
        layout=None if layout is None else _layout(layout),
        notes=notes,
    )


def _is_text(name: str) -> bool:
    return name.lower() == "layout" or name.lower() in _CLASS_NAMES


def _role(name: str) -> str:
    """What an array holds: "x", "y", "groups" or "times"."""
    found = _ARRAY.fullmatch(name.lower())
    if found is None:
        return "y" if name == "arr_1" else "x"
    return next(role for role in ("x", "y", "groups", "times") if found[role])


def _parts(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Part]:
    """What the arrays hold, by split."""
    found: dict[str, dict[str, NDArray[Any]]] = {"x": {}, "y": {}, "groups": {}, "times": {}}
    for name, array in arrays.items():
        split, role = _split(name, arrays), _role(name)
        if split in found[role]:
            what = {"x": "examples", "y": "labels"}.get(role, role)
            raise InvalidDataset(
                f"found arrays {sorted(arrays)}, two of them {split} {what}; {_EXPECTED}"
            )
        found[role][split] = array
    examples = found["x"]
    if examples.keys() != found["y"].keys() or "train" not in examples:
        raise InvalidDataset(f"found arrays {sorted(arrays)}; {_EXPECTED}")
    if extra := (found["groups"].keys() | found["times"].keys()) - examples.keys():
        raise InvalidDataset(
            f"found arrays {sorted(arrays)}, of which groups or times are for {min(extra)} without "
            f"examples; {_EXPECTED}"
        )
    return {
        split: Part(
            examples[split], found["y"][split], found["groups"].get(split),
            found["times"].get(split),
        )
        for split in examples
    }  # fmt: skip


def _split(name: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """The split that an array is of."""
    found = _ARRAY.fullmatch(name.lower())
    if found is None or (found["before"] and found["behind"]):
        raise InvalidDataset(f"found arrays {sorted(arrays)}; {_EXPECTED}")
    split = found["before"] or found["behind"]
    return PARTS[split] if split else "train"


def _layout(layout: NDArray[Any]) -> str:
    texts = [text_of(text) for text in layout.ravel()]
    if len(texts) != 1:
        raise InvalidDataset(f"layout is {str(texts)[:64]}; expected one text such as 'NHWC'")
    return texts[0]
