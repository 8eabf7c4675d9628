"""Folders of Hugging Face's `datasets`, as `save_to_disk` writes them: Arrow files with features.

A `Dataset` is a folder with `dataset_info.json`, a `DatasetDict` one with a folder for each split.
Pictures are read as image files are, columns with arrays as arrays, all others as a table.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from core.data.arrow_stream import read_stream
from core.data.files import UNREADABLE, Files, OnStep, ReadLimits, shown
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.data.formats.images import read_listed
from core.data.formats.labelled_images import with_labels
from core.data.formats.parquet import as_categories
from core.data.image_folders import ImageFile
from core.data.nested_lists import array_of, is_list
from core.data.part_names import PARTS, TRAIN
from core.data.tables.cells import shown as shown_text
from core.data.tables.dialect import listed, names_of
from core.data.tables.left_out import check_left_out
from core.data.tables.table import MAX_ROWS, Table
from core.data.tables.target import NAMES, target_in
from core.errors import InvalidDataset

_SUFFIX, _INFO = ".arrow", "dataset_info.json"
_SHOWN = 60  # characters of a list in messages
_LARGEST_INFO = 2**22  # bytes
_EXPECTED = "expected a folder that Dataset.save_to_disk or DatasetDict.save_to_disk has written"


@FORMATS.register("datasets")
class SavedDataset(AbstractFormat):
    """A data set of Hugging Face's library on a disk."""

    description = (
        "a folder or zip that Hugging Face's datasets has written with save_to_disk, of images, "
        "arrays or columns, with labels"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        return any(name.endswith(_SUFFIX) for name in files.names)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData | Table:
        saved = _saved(files)
        labels = saved.labels(options.target)
        kept = [name for name in saved.columns if name not in options.leave_out]
        images = [name for name in saved.of_type("Image") if name in kept]
        if images and options.text is None:
            return _images(saved, _only(images, "images"), labels, limits, options, files.on_step)
        lists = [name for name in kept if is_list(saved.schema.field(name).type)]
        arrays = [name for name in lists if name not in labels]
        if arrays and options.text is None:
            return _arrays(saved, _only(arrays, "arrays"), labels, limits, options)
        return saved.table()


@dataclass(frozen=True, slots=True)
class _Saved:
    """The columns of all splits, and what the features say about them."""

    parts: Mapping[str, pa.Table]
    features: Mapping[str, Any]

    @property
    def schema(self) -> pa.Schema:
        return self.parts[TRAIN].schema

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)

    def of_type(self, kind: str) -> list[str]:
        """The columns of a type of features, such as "Image"."""
        return [name for name in self.columns if _type_of(self.features.get(name)) == kind]

    def labels(self, given: str | None) -> tuple[str, ...]:
        """The columns with the labels; raises InvalidDataset where they must be named."""
        several = [name.strip() for name in (given or "").split(",")]
        if given in self.columns or set(several) <= {*self.columns}:
            return (str(given),) if given in self.columns else tuple(several)
        found = self.of_type("ClassLabel") or [one for one in self.columns if one.lower() in NAMES]
        if given is not None or len(found) != 1:
            what = "none" if not found else f"several ({listed(found)})"
            what = f"no column {shown_text(given)}" if given else f"{what} with labels"
            raise InvalidDataset(
                f"the label column must be named: there is {what}. Give --target COLUMN (target in "
                f"REST) with one of {listed(self.columns)}"
            )
        return (found[0],)

    def names(self, column: str) -> tuple[str, ...] | None:
        """The names of the classes in a column; None where it has none."""
        feature = self.features.get(column)
        names = feature.get("names") if isinstance(feature, dict) else None
        return tuple(map(str, names)) if isinstance(names, list) else None

    def values(self, column: str, part: str, word: str) -> NDArray[Any]:
        """The labels, groups or times of a part; raises InvalidDataset for examples without one."""
        cells = self.parts[part].column(column)
        if _is_nested(cells.type) or pa.types.is_binary(cells.type):
            raise InvalidDataset(
                f"the {word} column {shown_text(column)} is of type {cells.type}; expected "
                "classes, texts or numbers"
            )
        y = np.asarray(cells.to_numpy())
        missing = cells.null_count or (y.dtype.kind == "i" and self.names(column) and (y < 0).sum())
        if missing:
            raise InvalidDataset(
                f"{int(missing):,} {part} examples have no {word}; expected one for each: remove "
                "them, or the split"
            )
        return y.astype(str) if y.dtype == object else y

    def table(self) -> Table:
        """All columns as those of a table; classes by their names."""
        names = names_of(self.columns)
        together = pa.concat_tables(self.parts.values())
        columns = {
            name: as_categories(self._named(column, together.column(column)))
            for name, column in zip(names, self.columns, strict=True)
        }
        return Table(columns, parts={part: len(one) for part, one in self.parts.items()})

    def _named(self, column: str, cells: pa.ChunkedArray) -> pa.ChunkedArray:
        names = self.names(column)
        if (of_lists := _names_in(self.features.get(column))) and is_list(cells.type):
            return _named_lists(cells, of_lists)
        if names is None or not pa.types.is_integer(cells.type):
            return cells
        is_known = compute.and_(compute.greater_equal(cells, 0), compute.less(cells, len(names)))
        return pa.chunked_array([pa.array(names)]).take(compute.if_else(is_known, cells, None))


def _names_in(feature: Any) -> tuple[str, ...] | None:
    """The names of the classes in a column of lists; None where it has none."""
    inner = feature.get("feature") if isinstance(feature, dict) else None
    names = inner.get("names") if isinstance(inner, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _named_lists(cells: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Lists of class numbers as lists of names."""

    def named(numbers: list[Any]) -> list[str]:
        if not all(type(one) is int and 0 <= one < len(names) for one in numbers):
            raise InvalidDataset(
                f"found the labels {str(numbers)[:_SHOWN]}; expected lists of numbers from 0 to "
                f"{len(names) - 1}, one for each name"
            )
        return [names[one] for one in numbers]

    lists = [None if one is None else named(one) for one in cells.to_pylist()]
    return pa.chunked_array([lists], pa.list_(pa.string()))


def _type_of(feature: Any) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _only(found: Sequence[str], what: str) -> str:
    if len(found) > 1:
        raise InvalidDataset(
            f"found {len(found)} columns of {what} ({listed(found)}); expected one: leave the "
            "others out by --leave-out COLUMN (leave_out in REST and Python)"
        )
    return found[0]


# --- files ------------------------------------------------------------------------------------


def _saved(files: Files) -> _Saved:
    """The Arrow files by part, all with the same columns."""
    folders: dict[str, list[str]] = {}
    for name in sorted(files.names):
        if name.endswith(_SUFFIX):
            folders.setdefault(name.rpartition("/")[0], []).append(name)
    tables: dict[str, pa.Table] = {}
    for folder, names in folders.items():
        part = TRAIN if len(folders) == 1 else PARTS.get(folder.rpartition("/")[2].lower())
        if part is None or part in tables:
            raise InvalidDataset(
                f"found a split {shown(folder)}; expected train, and optionally validation and "
                "test: remove or rename it"
            )
        tables[part] = pa.concat_tables([_table(files, name) for name in names])
    if TRAIN not in tables:
        raise InvalidDataset(f"found splits for {', '.join(sorted(tables))} and none for train")
    _check_tables(tables)
    info = next(folder for folder in folders if len(folders) == 1 or "train" in folder.lower())
    ordered = {part: tables[part] for part in dict.fromkeys(PARTS.values()) if part in tables}
    return _Saved(ordered, _features(files, f"{info}/{_INFO}" if info else _INFO))


def _table(files: Files, name: str) -> pa.Table:
    try:
        with files.open(name) as stream:
            return read_stream(stream, name).replace_schema_metadata()
    except UNREADABLE as error:
        raise InvalidDataset(f"{shown(name)} cannot be unpacked: {error}") from error


def _check_tables(tables: Mapping[str, pa.Table]) -> None:
    first = tables[TRAIN]
    for part, table in tables.items():
        if not table.schema.equals(first.schema):
            raise InvalidDataset(
                f"the columns of {part} are not those of train; expected the same names and types: "
                f"{listed(table.column_names)} and {listed(first.column_names)}"
            )
    if (rows := sum(map(len, tables.values()))) > MAX_ROWS:
        raise InvalidDataset(f"the data set has {rows:,} rows; expected at most {MAX_ROWS:,}")


def _features(files: Files, name: str) -> Mapping[str, Any]:
    """What `dataset_info.json` says about the columns."""
    if name not in files.names or files.size(name) > _LARGEST_INFO:
        raise InvalidDataset(f"there is no readable {shown(name)}; {_EXPECTED}")
    try:
        with files.open(name) as stream:
            info = json.loads(stream.read(_LARGEST_INFO))
    except (RecursionError, *UNREADABLE) as error:
        raise InvalidDataset(f"{shown(name)} is no readable JSON; {_EXPECTED}") from error
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        raise InvalidDataset(f"{shown(name)} names no features; {_EXPECTED}")
    return features


# --- images and arrays ------------------------------------------------------------------------


class _Pictures(Files):
    """The pictures in a column as files, named by their part and row."""

    def __init__(self, parts: Mapping[str, pa.ChunkedArray]) -> None:
        self._data: dict[str, bytes] = {}
        for part, cells in parts.items():
            for index, cell in enumerate(cells.to_pylist()):
                data = cell.get("bytes") if isinstance(cell, dict) else None
                if not isinstance(data, bytes):
                    raise InvalidDataset(
                        f"the image of {part} row {index} is not in the data set; expected images "
                        "with their bytes, as save_to_disk writes them"
                    )
                self._data[f"{part}/{index}"] = data

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._data)

    def size(self, name: str) -> int:
        return len(self._data[name])

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self._data[name])


def _images(
    saved: _Saved,
    column: str,
    labels: tuple[str, ...],
    limits: ReadLimits,
    options: ReadOptions,
    on_step: OnStep | None,
) -> RawData:
    files = _Pictures({part: one.column(column) for part, one in saved.parts.items()})
    files.on_step = on_step
    found = [ImageFile(name, name.partition("/")[0], "") for name in files.names]
    raw = read_listed(files, found, limits, options)
    parts = {part: one.x for part, one in raw.parts.items()}
    return _labelled(saved, parts, column, labels, raw, options)


def _arrays(
    saved: _Saved, column: str, labels: tuple[str, ...], limits: ReadLimits, options: ReadOptions
) -> RawData:
    parts = {
        part: array_of(one.column(column), column, options.layout, limits.bytes)
        for part, one in saved.parts.items()
    }
    return _labelled(saved, parts, column, labels, RawData(parts={}), options)


def _labelled(
    saved: _Saved, x: Mapping[str, NDArray[Any]], column: str, labels: tuple[str, ...],
    raw: RawData, options: ReadOptions,
) -> RawData:  # fmt: skip
    """The examples with their labels, and with the groups or times where a column is named."""
    keys = {"groups": options.group, "times": options.time}
    if unknown := [name for name in keys.values() if name and name not in saved.columns]:
        raise InvalidDataset(
            f"there is no column {shown_text(unknown[0])} for the groups or times; expected one of "
            f"{listed(saved.columns)}"
        )
    used = (column, *labels, *keys.values())
    check_left_out(options.leave_out, saved.columns, used)
    others = [one for one in saved.columns if one not in used]
    notes = [f"columns that are left out: {listed(others)}"] if others else []
    raw = replace(raw, parts=_unlabelled(saved, x, keys), notes=(*raw.notes, *notes))
    if len(labels) > 1 or is_list(saved.schema.field(labels[0]).type):
        return _with_several(saved, raw, labels, options)
    (label,) = labels
    parts = {
        part: replace(one, y=saved.values(label, part, "label")) for part, one in raw.parts.items()
    }
    return replace(raw, parts=parts, class_names=saved.names(label))


def _unlabelled(
    saved: _Saved, x: Mapping[str, NDArray[Any]], keys: Mapping[str, str | None]
) -> dict[str, Part]:
    """The examples of each part with their groups or times."""
    found = {}
    for part, examples in x.items():
        chosen = {
            key: saved.values(name, part, key.removesuffix("s"))
            for key, name in keys.items()
            if name
        }
        found[part] = Part(examples, np.empty(0), **chosen)
    return found


def _with_several(
    saved: _Saved, raw: RawData, labels: tuple[str, ...], options: ReadOptions
) -> RawData:
    """The examples with labels in several columns, or in a column of lists."""
    table = saved.table()
    target = target_in(table, ",".join(labels), options.task)
    if left := len(table) - len(target.labels.rows):
        raise InvalidDataset(
            f"{left:,} examples have no value in {listed(labels)}; expected one for each: remove "
            "them"
        )
    return with_labels(raw, target, table.parts_of(target.labels.rows))
