"""From an uploaded file to a data set: its format is recognised, and what it holds is understood.

The result says how it was understood, so that a person can check it before anything is trained.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.data.compression import unpacked
from core.data.datasets import MIN_TEST_TARGETS, Arrays, check_enough, check_values, spec, validate
from core.data.description import DatasetDescription, describe
from core.data.division import Division, divided
from core.data.files import Files, ReadLimits, SingleFile, open_files
from core.data.formats import FORMATS, Part, RawData, ReadOptions
from core.data.label_sets import label_sets_of
from core.data.labels import classes_of
from core.data.layouts import Layout, layout_of
from core.data.split_keys import SplitKeys, keys_of
from core.data.stored_type import stored_type
from core.data.tables.cells import shown
from core.data.tables.dialect import listed
from core.data.tables.encoding import Learned
from core.data.tables.split_column import split_column
from core.data.tables.table import Table
from core.data.tables.target import (
    TargetLabels,
    label_matrix_of,
    labels_of,
    target_columns_of,
    task_of,
)
from core.data.tables.texts import texts_of
from core.data.tables.understanding import encoded
from core.data.targets import CLASSIFICATION, MULTI_LABEL, may_be_targets, targets_of
from core.data.texts.understanding import encoded as encoded_texts
from core.errors import InvalidDataset
from core.protocol.contracts import DatasetSpec, SplitKind

_NUMBERS = "if the labels are numbers to predict, give the task regression (--task regression)"
_NOTHING = np.empty(0)
_START = 16  # bytes by which the contents of a file are guessed
TABLES = ("csv", "parquet", "jsonl", "datasets")  # the formats that have columns
_ONE_IMAGE = "a single image; give a folder or zip with a folder of images for each class"
#: The first bytes of files that people try, and what to do with them.
_HINTS = (
    (b"\x93NUMPY", "a single npy file; labels are missing: give a folder or zip of two npy files, "
                   "x.npy and y.npy, or one npz file"),
    (b"\x89PNG", _ONE_IMAGE),
    (b"\xff\xd8\xff", _ONE_IMAGE),
    (b"RIFF", _ONE_IMAGE),
    (b"\x89HDF", "an HDF5 file; save its arrays with numpy.savez"),
    (b"\x80\x04", "a pickle, which is never opened; save its arrays with numpy.savez"),
    (b"\0\0", "a single IDX file; give a folder or zip with images and labels"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Intake:
    """A data set that can be trained on, and how it was understood."""

    arrays: Arrays
    spec: DatasetSpec
    description: DatasetDescription

    def with_warning(self, warning: str) -> "Intake":
        """The same data set with one more warning."""
        warnings = (*self.description.warnings, warning)
        return replace(self, description=self.description.model_copy(update={"warnings": warnings}))


def read(file: BinaryIO, limits: ReadLimits, options: ReadOptions | None = None) -> Intake:
    """The data set in a file of any known format.

    Raises InvalidDataset with what was found, what is expected and what to do.
    """
    with unpacked(file, limits) as plain:
        return _read(plain, limits, options or ReadOptions())


def _read(file: BinaryIO, limits: ReadLimits, options: ReadOptions) -> Intake:
    files = open_files(file, limits)
    if hint := _hint(files):
        raise InvalidDataset(hint)
    kind = next((kind for kind in FORMATS if FORMATS[kind].recognises(files)), None)
    if kind is None:
        raise InvalidDataset(_unknown(files))
    _check_options(kind, options)
    return _understand(kind, FORMATS[kind].read(files, limits, options), limits, options)


def _understand(
    kind: str, raw: RawData | Table, limits: ReadLimits, options: ReadOptions
) -> Intake:
    if isinstance(raw, Table):
        _check_no_layout(options)
        if options.text is not None:
            return _understand_text_column(kind, raw, options)
        return _understand_table(kind, raw, limits, options)
    labels = raw.parts["train"].y
    examples = {split: part.x for split, part in raw.parts.items()}
    others = {split: replace(part, x=_NOTHING) for split, part in raw.parts.items()}
    raw = replace(raw, parts=others)  # nothing else refers to the examples
    are_texts = any(x.dtype.kind in "UO" for x in examples.values())
    with _regression_suggested(labels, options.task):
        return (_understood_texts if are_texts else _understood)(kind, examples, raw, options)


@contextmanager
def _regression_suggested(labels: NDArray[Any], task: str | None) -> Iterator[None]:
    """Add the way to predict numbers to errors, where labels may be some and no task is given."""
    try:
        yield
    except InvalidDataset as error:
        if task is None and may_be_targets(labels) and "regression" not in str(error):
            raise InvalidDataset(f"{error}; {_NUMBERS}") from None
        raise


def _understood(
    kind: str, examples: dict[str, NDArray[Any]], raw: RawData, options: ReadOptions
) -> Intake:
    """What the arrays of a file mean, as far as the options do not say it.

    The examples are taken out of the mapping, so that they need not be in memory twice.
    """
    layout = options.layout
    axes = layout_of(examples["train"].shape, layout or raw.layout, _reason(layout, raw))
    values = _type(examples)
    found = {split: part.y for split, part in raw.parts.items()}
    labels = _labels(found, options.task, raw.class_names)
    x, numbers = _prepared(examples, axes), dict(labels.numbers)
    _check_lengths(x, numbers)
    division = divided(numbers, labels.class_names, _keys_in(raw.parts), options.split_seed)
    arrays = replace(
        _arranged(x, numbers, labels, division), layout=axes.letters, image_mode=raw.image_mode
    )
    notes = [*raw.notes, *labels.notes, *_about_validation(division)]
    warnings = [axes.warning, *raw.warnings, *labels.warnings, *division.warnings]
    return of_arrays(
        arrays, kind=kind, axes=axes, values=values, test_given=division.test is None, notes=notes,
        warnings=[one for one in warnings if one], task_reason=labels.reason,
        groups=division.groups,
    )  # fmt: skip


def _keys_in(parts: Mapping[str, Part]) -> SplitKeys | None:
    """The groups or times in arrays, by which splits are made; None without."""
    groups = {split: part.groups for split, part in parts.items() if part.groups is not None}
    times = {split: part.times for split, part in parts.items() if part.times is not None}
    if not groups and not times:
        return None
    if groups and times:
        raise InvalidDataset("found groups and times; expected one of them: remove the other array")
    found, name = (groups, "groups") if groups else (times, "time")
    if "train" not in found:
        raise InvalidDataset(
            f"found the array {name} for {min(found)} and none for train; expected it for train"
        )
    kind = SplitKind.GROUP if groups else SplitKind.TIME
    return keys_of(kind, found, f"the array {name}")


def _about_validation(division: Division) -> list[str]:
    """What is done with a validation split that the files have."""
    if not (count := division.split.validation_examples):
        return []
    return [
        f"each search validates on the {count:,} examples of the given validation split; its final "
        "fit trains on most of them, too, and holds the others out to compare the networks on"
    ]


def _check_split_options(options: ReadOptions, *, is_table: bool) -> None:
    """Raise InvalidDataset for a group or time column that the files cannot have."""
    if options.group is not None and options.time is not None:
        raise InvalidDataset(
            "found a group and a time column; expected one of them: splits keep groups apart, or "
            "take the latest rows"
        )
    if not is_table and (options.group is not None or options.time is not None):
        raise InvalidDataset(
            "a group or time column is for tables (CSV, TSV, Parquet); expected an array groups or "
            "time beside x and y, with one value for each example"
        )


def _check_no_layout(options: ReadOptions) -> None:
    if options.layout is not None:
        raise InvalidDataset(
            f"the layout {options.layout[:64]!r} is for arrays, and the file is a table, whose "
            "rows become vectors: leave the layout out"
        )


def _check_options(kind: str, options: ReadOptions) -> None:
    """Raise InvalidDataset for options that are for files of another format."""
    is_table = kind in TABLES
    _check_split_options(options, is_table=is_table)
    if not is_table and (options.target or options.text or options.categories):
        raise InvalidDataset(
            "a target column, a text column and categories are for tables (CSV, TSV, Parquet, JSON "
            f"Lines), and the file is {FORMATS[kind].description}: leave them out"
        )


@dataclass(frozen=True, slots=True)
class _Target:
    """The target columns of a table, and what is in them."""

    columns: tuple[str, ...]
    labels: TargetLabels
    task: str | None
    class_names: tuple[str, ...] | None  # of several labels


def _target_in(table: Table, options: ReadOptions) -> _Target:
    columns, task = target_columns_of(table, options.target), options.task
    if len(columns) == 1:
        return _Target(columns, labels_of(table, columns[0], task), task, None)
    matrix = label_matrix_of(table, columns, task)
    task = task_of(matrix.values, task)
    return _Target(columns, matrix, task, columns if task == MULTI_LABEL else None)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table that have labels, and how they are divided."""

    parts: Mapping[str, NDArray[np.intp]]  # indices into the rows with labels
    labels: "_Labels"
    keys: SplitKeys | None
    division: Division


def _rows_of(table: Table, target: _Target, options: ReadOptions) -> _Rows:
    columns, rows = target.columns, target.labels.rows
    parts = table.parts_of(rows)
    _check_parts(parts, columns)
    values = {part: target.labels.values[indices] for part, indices in parts.items()}
    labels = _labels(values, target.task, target.class_names)
    labels = replace(labels, target_names=columns if labels.target_names else ())
    keys = split_column(table, columns, rows, parts, options.group, options.time)
    division = divided(labels.numbers, labels.class_names, keys, options.split_seed)
    return _Rows(parts, labels, keys, division)


def _understand_table(kind: str, table: Table, limits: ReadLimits, options: ReadOptions) -> Intake:
    """What the columns of a table mean, as far as they are not given."""
    target = _target_in(table, options)
    given = target.labels
    with _regression_suggested(given.values, target.task):
        rows = _rows_of(table, target, options)
        labels, division = rows.labels, rows.division
        found = encoded(
            table, target.columns, given.rows, given.rows[rows.parts["train"][division.train]],
            categories=options.categories, most_bytes=limits.bytes, keys=rows.keys,
        )  # fmt: skip
        axes = Layout("NF", "rows of a table")
        x = _prepared({"train": found.x}, axes)["train"]
        by_part = {part: x[indices] for part, indices in rows.parts.items()}
        arrays = replace(
            _arranged(by_part, labels.numbers, labels, division), layout=axes.letters,
            table=found.spec,
        )  # fmt: skip
        return of_arrays(
            arrays, kind=kind, axes=axes, test_given=division.test is None, learned=found.learned,
            notes=[*table.notes, *labels.notes, *_about_validation(division)],
            warnings=[*given.warnings, *labels.warnings, *found.warnings, *division.warnings],
            task_reason=labels.reason, groups=division.groups,
        )  # fmt: skip


def _understood_texts(
    kind: str, examples: dict[str, NDArray[Any]], raw: RawData, options: ReadOptions
) -> Intake:
    """What texts that are in no table mean."""
    if given := options.layout or raw.layout:
        raise InvalidDataset(
            f"the layout {given[:64]!r} is for numbers, and the examples are texts: leave it out"
        )
    texts = {split: _flat(split, x) for split, x in examples.items()}
    found = {split: part.y for split, part in raw.parts.items()}
    labels = _labels(found, options.task, raw.class_names)
    _check_lengths(texts, labels.numbers)
    keys = _keys_in(raw.parts)
    division = divided(labels.numbers, labels.class_names, keys, options.split_seed)
    return _of_texts(
        kind, texts, labels, division, notes=raw.notes,
        warnings=[*raw.warnings, *labels.warnings],
    )  # fmt: skip


def _flat(split: str, x: NDArray[Any]) -> NDArray[Any]:
    """The texts of a split, (N,)"""
    if x.dtype.kind not in "UO" or x.size != len(x):
        raise InvalidDataset(
            f"x is of type {x.dtype} and shape {x.shape} ({split}); expected numbers, or texts of "
            "shape (N,)"
        )
    return x.reshape(-1).astype(object)


def _understand_text_column(kind: str, table: Table, options: ReadOptions) -> Intake:
    """What a table with a column of texts means; its other columns are not learned from.

    Raises InvalidDataset where there is no such column.
    """
    assert options.text is not None
    if options.categories:
        raise InvalidDataset(
            "found categories beside a text column, the only one that is learned from; expected "
            "one of both: leave the categories or the text column out"
        )
    target = _target_in(table, options)
    texts = np.array(texts_of(table, options.text, target.columns), object)
    given = target.labels
    with _regression_suggested(given.values, target.task):
        rows = _rows_of(table, target, options)
        read = (options.text, *target.columns, options.group, options.time)
        others = [name for name in table.columns if name not in read]
        ignored = [f"columns that are not learned from: {listed(others)}"] if others else []
        by_part = {part: texts[given.rows[indices]] for part, indices in rows.parts.items()}
        return _of_texts(
            kind, by_part, rows.labels, rows.division, column=options.text,
            notes=[*table.notes, *ignored], warnings=[*given.warnings, *rows.labels.warnings],
        )  # fmt: skip


def _of_texts(
    kind: str,
    texts: Mapping[str, NDArray[Any]],
    labels: "_Labels",
    division: Division,
    *,
    column: str | None = None,
    notes: Sequence[str],
    warnings: Sequence[str],
) -> Intake:
    """The data set of texts by part and their labels."""
    by_part = {part: list(of) for part, of in texts.items()}
    found = encoded_texts(by_part, list(texts["train"][division.train]), column)
    axes = Layout("NL", "texts as token numbers")
    arrays = replace(
        _arranged(found.x, labels.numbers, labels, division), layout=axes.letters,
        text=found.spec, pieces=found.pieces,
    )  # fmt: skip
    return of_arrays(
        arrays, kind=kind, axes=axes, values="texts", test_given=division.test is None,
        notes=[*notes, *labels.notes, *found.notes, *_about_validation(division)],
        warnings=[*warnings, *found.warnings, *division.warnings], task_reason=labels.reason,
        groups=division.groups,
    )  # fmt: skip


def _check_parts(parts: Mapping[str, NDArray[np.intp]], targets: tuple[str, ...]) -> None:
    """Raise InvalidDataset for a part without labels."""
    for part, rows in parts.items():
        if not len(rows):
            columns = shown(targets[0]) if len(targets) == 1 else listed(targets)
            raise InvalidDataset(
                f"no {part} row has a value in the target column {columns}; expected labels"
            )


@dataclass(frozen=True, slots=True)
class _Labels:
    """Class numbers (n,), label sets (n, labels), or targets (n, targets), by split."""

    numbers: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    reason: str = ""  # why they are targets, or several labels
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _labels(
    found: Mapping[str, NDArray[Any]], task: str | None, class_names: tuple[str, ...] | None = None
) -> _Labels:
    """The labels as targets where they are such, else as classes; class names mean classes."""
    if (sets := label_sets_of(found, task, class_names)) is not None:
        return _Labels(sets.values, sets.names, reason=sets.reason)
    if task is None and class_names is not None:
        task = CLASSIFICATION
    if (targets := targets_of(found, task)) is not None:
        return _Labels(targets.values, target_names=targets.names, reason=targets.reason)
    classes = classes_of(found, class_names)
    warnings = classes.warnings
    if task is None and may_be_targets(found["train"]):
        warnings = (
            *warnings,
            f"{len(classes.names)} whole numbers are taken as classes; {_NUMBERS}",
        )
    return _Labels(classes.numbers, classes.names, notes=classes.notes, warnings=warnings)


def _reason(layout: str | None, raw: RawData) -> str:
    """Why the layout is known, if it is."""
    if layout:
        return "as given"
    return "image files" if raw.image_mode else "as the file says"


def of_arrays(
    arrays: Arrays,
    *,
    kind: str,
    flip: bool = False,  # a mirrored example may have another label
    axes: Layout | None = None,
    values: str = "",
    test_given: bool = True,
    learned: Sequence[Learned] = (),  # of the columns of a table
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    task_reason: str = "",  # why the labels are targets or sets, where they are
    groups: Mapping[str, int] | None = None,  # how many each split has
) -> Intake:
    """A data set of arrays that are ready to be stored; raises InvalidDataset."""
    validate(arrays)
    described = spec(arrays, flip=flip)
    axes = axes or Layout(arrays.layout or "", "built in")
    description = describe(
        arrays, described, axes, format=kind, values=values or described.dtype,
        test_given=test_given, learned=learned, notes=notes,
        warnings=[*warnings, *_hints(axes, described)], task_reason=task_reason, groups=groups,
    )  # fmt: skip
    return Intake(arrays, described, description)


# --- splits -----------------------------------------------------------------------------------


def _check_lengths(x: Mapping[str, NDArray[Any]], y: Mapping[str, NDArray[Any]]) -> None:
    for split, examples in x.items():
        if len(examples) != len(y[split]):
            raise InvalidDataset(
                f"found {len(examples)} {split} examples and {len(y[split])} labels; expected one "
                "label for each example"
            )


def _arranged(
    x: Mapping[str, NDArray[Any]],
    y: Mapping[str, NDArray[Any]],
    labels: _Labels,
    division: Division,
) -> Arrays:
    """The four arrays; a given validation split stands behind the other training examples."""
    train = {"x": x["train"], "y": y["train"]}
    if division.test is None:
        test = {"x": x["test"], "y": y["test"]}
    else:
        test = {name: array[division.test] for name, array in train.items()}
        train = {name: array[division.train] for name, array in train.items()}
    if "validation" in x:
        if labels.target_names:
            check_enough(len(y["validation"]), "validation", MIN_TEST_TARGETS)
        given = {"x": x["validation"], "y": y["validation"]}
        train = {name: np.concatenate([array, given[name]]) for name, array in train.items()}
    return Arrays(
        train["x"], train["y"], test["x"], test["y"], labels.class_names,
        target_names=labels.target_names, rule=division.rule, split=division.split,
    )  # fmt: skip


# --- examples ---------------------------------------------------------------------------------


def _type(examples: Mapping[str, NDArray[Any]]) -> str:
    return " and ".join(sorted({str(x.dtype) for x in examples.values()}))


def _prepared(examples: dict[str, NDArray[Any]], axes: Layout) -> dict[str, NDArray[Any]]:
    """Examples with channels first, all of the smallest type that keeps them.

    Each array is taken out of the mapping before the next is copied: two of them fill the memory.
    """
    for split, x in examples.items():
        _check_examples(split, x, axes)
    first = {split: axes.channels_first(x) for split, x in examples.items()}
    if len({x.shape[1:] for x in first.values()}) > 1:
        raise InvalidDataset(
            "; ".join(f"{split} examples have shape {x.shape[1:]}" for split, x in first.items())
            + "; expected the same"
        )
    dtype = stored_type(list(first.values()))
    del x, first
    return {
        split: np.ascontiguousarray(axes.channels_first(examples.pop(split)), dtype)
        for split in tuple(examples)
    }


def _check_examples(split: str, x: NDArray[Any], axes: Layout) -> None:
    if x.ndim != len(axes.letters) or 0 in x.shape:
        layout_of(x.shape, axes.letters)  # says what is wrong
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InvalidDataset(f"{split} {_not_finite(x)}")
    check_values(x, f"{split} examples")


def _not_finite(x: NDArray[Any]) -> str:
    """Where NaN or infinite values are."""
    bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    return (
        f"examples hold NaN or infinite values, in {int(bad.sum()):,} of {len(x):,} examples, "
        f"first in number {int(bad.argmax())}; expected finite ones: remove or replace them"
    )


def _hints(axes: Layout, described: DatasetSpec) -> list[str]:
    """What vectors may be instead."""
    if axes.kind != "vectors" or described.table is not None:
        return []
    (features,) = described.input_shape
    for channels in (1, 3):
        side = round((features / channels) ** 0.5)
        if side >= 8 and channels * side * side == features:
            shape = f"{side}, {side}" + (f", {channels}" if channels > 1 else "")
            return [
                f"vectors of {features} features may be flattened images; if they are, give them "
                f"as x.reshape(-1, {shape})"
            ]
    return []


def _hint(files: Files) -> str:
    """What to do with a single file that is known and no data set; empty where it may be one."""
    if not isinstance(files, SingleFile):
        return ""
    with files.open(files.names[0]) as stream:
        start = stream.read(_START)
    return next((f"the file is {hint}" for magic, hint in _HINTS if start.startswith(magic)), "")


def _unknown(files: Files) -> str:
    """Why files are of no known format, and what to do."""
    known = "; ".join(FORMATS[kind].description for kind in FORMATS)
    if not isinstance(files, SingleFile):
        names = ", ".join(repr(name[:60]) for name in files.names[:3]) or "nothing"
        return f"the archive is of no known format: it holds {names}; expected {known}"
    return f"the file is of no known format; expected {known}"
