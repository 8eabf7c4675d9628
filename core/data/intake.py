"""From an uploaded file to a data set: its format is recognised, and what it holds is understood.

The result says how it was understood, so that a person can check it before anything is trained.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.data.datasets import (
    MIN_TEST_TARGETS,
    MIN_TRAIN_PER_CLASS,
    MIN_TRAIN_TARGETS,
    Arrays,
    check_enough,
    check_values,
    spec,
    stratified_test_split,
    validate,
)
from core.data.description import DatasetDescription, describe
from core.data.files import Files, ReadLimits, SingleFile, open_files
from core.data.formats import FORMATS, RawData, ReadOptions
from core.data.labels import classes_of
from core.data.layouts import Layout, layout_of
from core.data.splits import strata
from core.data.stored_type import stored_type
from core.data.tables.dialect import listed
from core.data.tables.encoding import Learned
from core.data.tables.table import Table
from core.data.tables.target import labels_of, target_of
from core.data.tables.texts import texts_of
from core.data.tables.understanding import encoded
from core.data.targets import CLASSIFICATION, may_be_targets, targets_of
from core.data.texts.understanding import EncodedTexts
from core.data.texts.understanding import encoded as encoded_texts
from core.errors import InvalidDataset
from core.protocol.contracts import DatasetSpec

_TEST_SHARE = 0.2
_SPLIT_SEED = 20181  # fixed: the same file always gives the same test split

_NUMBERS = "if the labels are numbers to predict, give the task regression (--task regression)"
_START = 16  # bytes by which the contents of a file are guessed
TABLES = ("csv", "parquet", "jsonl")  # the formats that are tables
_ONE_IMAGE = "a single image; give a folder or zip with a folder of images for each class"
#: The first bytes of files that people try, and what to do with them.
_HINTS = (
    (b"\x93NUMPY", "a single npy file; labels are missing: give a folder or zip of two npy files, "
                   "x.npy and y.npy, or one npz file"),
    (b"\x89PNG", _ONE_IMAGE),
    (b"\xff\xd8\xff", _ONE_IMAGE),
    (b"RIFF", _ONE_IMAGE),
    (b"\x1f\x8b", "a gzip file; give a zip, an npz file, or a folder of IDX files"),
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
    files = open_files(file, limits)
    if hint := _hint(files):
        raise InvalidDataset(hint)
    kind = next((kind for kind in FORMATS if FORMATS[kind].recognises(files)), None)
    if kind is None:
        raise InvalidDataset(_unknown(files))
    options = options or ReadOptions()
    _check_options(kind, options)
    raw = FORMATS[kind].read(files, limits, options)
    if isinstance(raw, Table):
        understand_rows = _understand_table if options.text is None else _understand_text_column
        return understand_rows(kind, raw, limits, options)
    return understand(kind, raw, options.layout, options.task)


def understand(
    kind: str, raw: RawData, layout: str | None = None, task: str | None = None
) -> Intake:
    """What the arrays of a file mean; a `layout` and a `task` that are given decide."""
    with _regression_suggested(raw.parts["train"].y, task):
        return _understood(kind, raw, layout, task)


@contextmanager
def _regression_suggested(labels: NDArray[Any], task: str | None) -> Iterator[None]:
    """Add the way to predict numbers to errors, where labels may be some and no task is given."""
    try:
        yield
    except InvalidDataset as error:
        if task is None and may_be_targets(labels) and "regression" not in str(error):
            raise InvalidDataset(f"{error}; {_NUMBERS}") from None
        raise


def _understood(kind: str, raw: RawData, layout: str | None, task: str | None) -> Intake:
    examples = {split: part.x for split, part in raw.parts.items()}
    if any(x.dtype.kind in "UO" for x in examples.values()):
        return _understood_texts(kind, raw, layout, task)
    axes = layout_of(examples["train"].shape, layout or raw.layout, _reason(layout, raw))
    values = _type(examples)
    found = {split: part.y for split, part in raw.parts.items()}
    labels = _labels(found, task, raw.class_names)
    x, numbers = _prepared(examples, axes), dict(labels.numbers)
    _check_lengths(x, numbers)
    notes = [*raw.notes, *labels.notes]
    warnings = [warning for warning in (axes.warning, *raw.warnings, *labels.warnings) if warning]
    if "validation" in x:
        x["train"] = np.concatenate([x["train"], x.pop("validation")])
        numbers["train"] = np.concatenate([numbers["train"], count := numbers.pop("validation")])
        notes.append(_joined(len(count)))
    arrays = replace(_split(x, labels, numbers), layout=axes.letters, image_mode=raw.image_mode)
    return of_arrays(
        arrays, kind=kind, axes=axes, values=values, test_given="test" in x, notes=notes,
        warnings=warnings, task_reason=labels.reason,
    )  # fmt: skip


def _understood_texts(kind: str, raw: RawData, layout: str | None, task: str | None) -> Intake:
    """What texts that are no table mean."""
    if given := layout or raw.layout:
        raise InvalidDataset(
            f"the layout {given[:64]!r} is for numbers, and the examples are texts: leave it out"
        )
    texts = {split: _flat(split, part.x) for split, part in raw.parts.items()}
    labels = _labels({split: part.y for split, part in raw.parts.items()}, task, raw.class_names)
    numbers = dict(labels.numbers)
    _check_lengths(texts, numbers)
    notes = [*raw.notes, *labels.notes]
    if "validation" in texts:
        texts["train"] = np.concatenate([texts["train"], texts.pop("validation")])
        numbers["train"] = np.concatenate([numbers["train"], count := numbers.pop("validation")])
        notes.append(_joined(len(count)))
    every, y = (
        np.concatenate([values[split] for split in ("train", "test") if split in values])
        for values in (texts, numbers)
    )
    if "test" in texts:
        train, test = np.split(np.arange(len(y)), [len(texts["train"])])
    else:
        train, test = _set_aside(y, labels)
    found = encoded_texts(every.tolist(), train)
    return _of_texts(
        found, labels, y, train, test, kind=kind, test_given="test" in texts, notes=notes,
        warnings=[*raw.warnings, *labels.warnings],
    )  # fmt: skip


def _flat(split: str, x: NDArray[Any]) -> NDArray[Any]:
    """The texts of a split, (N,)"""
    if x.dtype.kind not in "UO" or x.size != len(x):
        raise InvalidDataset(
            f"{split} examples have shape {x.shape} and type {x.dtype}; expected texts (N,)"
        )
    return x.reshape(-1).astype(object)


def _joined(count: int) -> str:
    return (
        f"the {count:,} validation examples join those for training, of which each search holds "
        "some out"
    )


def _understand_text_column(
    kind: str, table: Table, limits: ReadLimits, options: ReadOptions
) -> Intake:
    """What a table with a column of texts means; other columns than it and the target are ignored.

    Raises InvalidDataset where there is no such column.
    """
    assert options.text is not None
    if options.categories:
        raise InvalidDataset(
            "categories were given beside a text column, the only one that is read; expected one "
            "of both: leave the categories or the text column out"
        )
    target = target_of(table, options.target)
    texts = texts_of(table, options.text, target)
    given = labels_of(table, target, options.task)
    with _regression_suggested(given.values, options.task):
        labels = _labels({"train": given.values}, options.task)
        y = labels.numbers["train"]
        train, test = _set_aside(y, labels)
        found = encoded_texts([texts[row] for row in given.rows], train, options.text)
        others = [name for name in table.columns if name not in (options.text, target)]
        ignored = [f"columns that are not read: {listed(others)}"] if others else []
        names = (target,) if labels.target_names else ()
        return _of_texts(
            found, replace(labels, target_names=names), y, train, test, kind=kind,
            test_given=False, notes=[*table.notes, *ignored, *labels.notes],
            warnings=[*given.warnings, *labels.warnings],
        )  # fmt: skip


def _of_texts(
    found: EncodedTexts,
    labels: "_Labels",
    y: NDArray[Any],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    *,
    kind: str,
    test_given: bool,
    notes: Sequence[str],
    warnings: Sequence[str],
) -> Intake:
    """The data set of texts and their labels; `train` and `test` are indices of both."""
    axes = Layout("NL", "texts as token numbers")
    arrays = Arrays(
        found.x[train], y[train], found.x[test], y[test], labels.class_names, layout=axes.letters,
        target_names=labels.target_names, text=found.spec, pieces=found.pieces,
    )  # fmt: skip
    return of_arrays(
        arrays, kind=kind, axes=axes, values="texts", test_given=test_given,
        notes=[*notes, *found.notes], warnings=[*warnings, *found.warnings],
        task_reason=labels.reason,
    )  # fmt: skip


def _check_options(kind: str, options: ReadOptions) -> None:
    """Raise InvalidDataset for options that are for files of another format."""
    is_table = kind in TABLES
    if is_table and options.layout is not None:
        raise InvalidDataset(
            f"the layout {options.layout[:64]!r} is for arrays, and the file is a table, whose "
            "rows become vectors: leave the layout out"
        )
    if not is_table and (options.target or options.text or options.categories):
        raise InvalidDataset(
            f"a target column, a text column and categories are for tables (CSV, TSV, Parquet, "
            f"JSONL), and the file is "
            f"{FORMATS[kind].description}: leave them out"
        )


def _understand_table(kind: str, table: Table, limits: ReadLimits, options: ReadOptions) -> Intake:
    """What the columns of a table mean, as far as they are not given."""
    target = target_of(table, options.target)
    given = labels_of(table, target, options.task)
    with _regression_suggested(given.values, options.task):
        labels = _labels({"train": given.values}, options.task)
        y = labels.numbers["train"]
        train, test = _set_aside(y, labels)
        found = encoded(
            table, target, given.rows, given.rows[train], categories=options.categories,
            most_bytes=limits.bytes,
        )  # fmt: skip
        axes = Layout("NF", "rows of a table")
        x = _prepared({"train": found.x}, axes)["train"]
        arrays = Arrays(
            x[train], y[train], x[test], y[test], labels.class_names, layout=axes.letters,
            table=found.spec, target_names=(target,) if labels.target_names else (),
        )  # fmt: skip
        return of_arrays(
            arrays, kind=kind, axes=axes, test_given=False, learned=found.learned,
            notes=[*table.notes, *labels.notes], task_reason=labels.reason,
            warnings=[*given.warnings, *labels.warnings, *found.warnings],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Labels:
    """Class numbers (n,), or targets (n, targets), by split."""

    numbers: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    reason: str = ""  # why they are targets
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _labels(
    found: Mapping[str, NDArray[Any]], task: str | None, class_names: tuple[str, ...] | None = None
) -> _Labels:
    """The labels as targets where they are such, else as classes; class names mean classes."""
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
    task_reason: str = "",  # why the labels are targets, where they are
) -> Intake:
    """A data set of arrays that are ready to be stored; raises InvalidDataset."""
    validate(arrays)
    described = spec(arrays, flip=flip)
    axes = axes or Layout(arrays.layout or "", "built in")
    description = describe(
        arrays, described, axes, format=kind, values=values or described.dtype,
        test_given=test_given, learned=learned, notes=notes,
        warnings=[*warnings, *_hints(axes, described)], task_reason=task_reason,
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


def _split(x: Mapping[str, NDArray[Any]], labels: _Labels, y: Mapping[str, NDArray[Any]]) -> Arrays:
    """The four arrays; without test examples a fifth of each class, or of all, is set aside."""
    names, targets = labels.class_names, labels.target_names
    if "test" in x:
        return Arrays(x["train"], y["train"], x["test"], y["test"], names, target_names=targets)
    x_all, y_all = x["train"], y["train"]
    train, test = _set_aside(y_all, labels)
    return Arrays(x_all[train], y_all[train], x_all[test], y_all[test], names, target_names=targets)


def _set_aside(y: NDArray[Any], labels: _Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (train, test); raises InvalidDataset where there are too few examples."""
    if labels.target_names:
        check_enough(len(y), "train", MIN_TRAIN_TARGETS + MIN_TEST_TARGETS)
    else:
        _check_counts(y, labels.class_names)
    return stratified_test_split(strata(y), _TEST_SHARE, _SPLIT_SEED)


def _check_counts(y: NDArray[np.int64], names: tuple[str, ...]) -> None:
    """Raise InvalidDataset for a class that has too few examples to be split."""
    counts = np.bincount(y, minlength=len(names))
    if len(names) > 1 and counts.min() <= MIN_TRAIN_PER_CLASS:
        raise InvalidDataset(
            f"class {names[int(counts.argmin())]!r} has {counts.min()} example(s); expected at "
            f"least {MIN_TRAIN_PER_CLASS + 1}: {MIN_TRAIN_PER_CLASS} to train on and one to test "
            "on. Add examples, remove the class, or give test examples of your own"
        )


# --- examples ---------------------------------------------------------------------------------


def _type(examples: Mapping[str, NDArray[Any]]) -> str:
    return " and ".join(sorted({str(x.dtype) for x in examples.values()}))


def _prepared(examples: Mapping[str, NDArray[Any]], axes: Layout) -> dict[str, NDArray[Any]]:
    """Examples with channels first, all of the smallest type that keeps them."""
    first = {}
    for split, x in examples.items():
        if x.ndim != len(axes.letters) or 0 in x.shape:
            layout_of(x.shape, axes.letters)  # says what is wrong
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise InvalidDataset(f"{split} {_not_finite(x)}")
        check_values(x, f"{split} examples")
        first[split] = axes.channels_first(x)
    if len({x.shape[1:] for x in first.values()}) > 1:
        raise InvalidDataset(
            "; ".join(f"{split} examples have shape {x.shape[1:]}" for split, x in first.items())
            + "; expected the same"
        )
    dtype = stored_type(list(first.values()))
    return {split: np.ascontiguousarray(x, dtype) for split, x in first.items()}


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
