"""A file of any known format becomes a data set, or an error that says what to do."""

from dataclasses import replace
from typing import BinaryIO

import numpy as np

from core.data.compression import unpacked
from core.data.file_groups import FILE_PREFIX
from core.data.files import Files, OnStep, ReadLimits, open_files
from core.data.formats import FORMATS, RawData, ReadOptions
from core.data.intake.annotations import check_not_annotated
from core.data.intake.arrays import understand_arrays, understand_texts
from core.data.intake.assembly import Intake
from core.data.intake.labels import regression_suggested
from core.data.intake.recognition import hint, unknown
from core.data.intake.tables import list_columns, understand_table, understand_text_column
from core.data.tables.table import Table
from core.errors import InvalidDataset

_NOTHING = np.empty(0)
TABLES = ("csv", "parquet", "jsonl", "datasets")  # the formats of which rows are examples
IMAGES_WITH_TABLE = "labelled-images"
#: How to say groups or times where the files of a format have no columns.
_WITHOUT_COLUMNS = {
    "npz": "an array groups or time beside x and y, with one value for each example",
    "images": (
        f"the group {FILE_PREFIX!r}, which is the text before the first _, - or space of the name "
        "of a file; or a table groups.csv beside the images, with the columns file and this one"
    ),
    "texts": "a table with the columns text, label and this one, in place of the folders",
}


def read(
    file: BinaryIO,
    limits: ReadLimits,
    options: ReadOptions | None = None,
    on_step: OnStep | None = None,
) -> Intake:
    """The data set in a file of any known format.

    `on_step` is told how many of many images or texts are read. Raises InvalidDataset with what was
    found, what is expected and what to do.
    """
    with unpacked(file, limits) as plain:
        files = open_files(plain, limits)
        files.on_step = on_step
        return _read(files, limits, options or ReadOptions())


def _read(files: Files, limits: ReadLimits, options: ReadOptions) -> Intake:
    if known := hint(files):
        raise InvalidDataset(known)
    check_not_annotated(files)
    kind = next((kind for kind in FORMATS if FORMATS[kind].recognises(files)), None)
    if kind is None:
        raise InvalidDataset(unknown(files))
    _check_options(kind, options)
    return _understand(kind, FORMATS[kind].read(files, limits, options), limits, options)


def _understand(
    kind: str, raw: RawData | Table, limits: ReadLimits, options: ReadOptions
) -> Intake:
    if isinstance(raw, Table):
        if options.text is not None or not list_columns(raw):
            check_no_layout(options)
        if options.text is not None:
            return understand_text_column(kind, raw, options)
        return understand_table(kind, raw, limits, options)
    labels = raw.parts["train"].y
    examples = {split: part.x for split, part in raw.parts.items()}
    others = {split: replace(part, x=_NOTHING) for split, part in raw.parts.items()}
    raw = replace(raw, parts=others)  # nothing else refers to the examples
    are_texts = any(x.dtype.kind in "UO" for x in examples.values())
    with regression_suggested(labels, options.task):
        return (understand_texts if are_texts else understand_arrays)(kind, examples, raw, options)


def _check_split_options(options: ReadOptions, kind: str) -> None:
    """Raise InvalidDataset for a group or time column that the files cannot have."""
    if options.group is not None and options.time is not None:
        raise InvalidDataset(
            "found a group and a time column; expected one of them: splits keep groups apart, or "
            "take the latest rows"
        )
    column = options.group or options.time
    by_name = kind == "images" and options.group == FILE_PREFIX
    if column is not None and not by_name and kind not in (*TABLES, IMAGES_WITH_TABLE):
        remedy = _WITHOUT_COLUMNS.get(kind, _WITHOUT_COLUMNS["npz"])
        raise InvalidDataset(
            f"the column {column[:64]!r} is for tables, and the file is "
            f"{FORMATS[kind].description}; expected {remedy}"
        )


def check_no_layout(options: ReadOptions) -> None:
    if options.layout is not None:
        raise InvalidDataset(
            f"the layout {options.layout[:64]!r} is for arrays, and the file is a table, whose "
            "rows become vectors: leave the layout out"
        )


def _check_options(kind: str, options: ReadOptions) -> None:
    """Raise InvalidDataset for options that are for files of another format."""
    _check_split_options(options, kind)
    has_columns = kind in TABLES or (
        kind == IMAGES_WITH_TABLE and not (options.text or options.categories or options.leave_out)
    )
    given = (options.target, options.text, options.categories, options.leave_out)
    if not has_columns and any(given):
        raise InvalidDataset(
            "a target column, a text column, categories and columns to leave out are for tables "
            f"(CSV, TSV, Parquet, JSON Lines), and the file is {FORMATS[kind].description}: leave "
            "them out"
        )
