"""Image files with a table of their labels: `labels.csv` with columns such as `file` and `label`.

The column whose cells name most images has their file names. The labels are in the target column:
the one that is given, else the one called target, label, labels, class or y. Without such a column,
folders are classes where there are several; else the only other column is the target.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.compression import without_suffix
from core.data.files import Files, ReadLimits, shown, without_top_folder
from core.data.formats import json_lines, parquet, text_table
from core.data.formats.abstract import FORMATS, AbstractFormat, RawData, ReadOptions
from core.data.formats.images import read_by_class, read_listed
from core.data.image_folders import ImageFile, by_class, check_format
from core.data.image_names import ImageIndex, have_images, is_image
from core.data.image_tables import EXPECTED, ImageRows, ImageTable, folder_part, listed
from core.data.tables.cells import shown as shown_text
from core.data.tables.dialect import listed as listed_texts
from core.data.tables.joining import table_names
from core.data.tables.split_column import split_column
from core.data.tables.table import Table
from core.data.tables.target import NAMES, Target, target_columns_of, target_in
from core.data.targets import MULTI_LABEL
from core.errors import InvalidDataset

_HALF = 0.5  # of its rows name images, or a table beside folders by class is about something else
_SUBMISSION = re.compile(r"submission", re.IGNORECASE)  # an example of predictions, as Kaggle has


@FORMATS.register("labelled-images")
class LabelledImages(AbstractFormat):
    """Image files with tables of their labels."""

    description = (
        "a folder, zip or tar of images with a CSV, TSV, JSON Lines or Parquet table, of which one "
        "column names the image files and one, the target, holds their labels"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        return have_images(files.names) and bool(table_names(files))

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
        names = _below_top_folder(files)
        for name in names:
            check_format(name)
        images = ImageIndex(filter(is_image, names))
        tables, warnings = _tables(files, names, images, limits, options)
        if not tables:
            raw = read_by_class(files, limits, options)
            return replace(raw, warnings=(*raw.warnings, *warnings))
        columns = _label_columns(tables, options, has_classes=_are_classes(files))
        warnings += [] if columns else [_about_folders(tables[0], options)]
        kept = [one for one in tables if one.table.columns.keys() >= set(columns)]
        left_out = [one for one in tables if one not in kept]
        rows = ImageRows.of(kept, images)
        warnings += _without_labels(names, rows, left_out, images)
        raw = _Labelled.of(rows, columns, options).read(files, names, limits, options)
        return replace(raw, warnings=(*raw.warnings, *filter(None, warnings)))


def _below_top_folder(files: Files) -> dict[str, str]:
    """The full names of all files by their names below the folders that hold everything."""
    names = {name: name for name in files.names}
    while (shorter := without_top_folder(list(names))).keys() != names.keys():
        names = {name: names[longer] for name, longer in shorter.items()}
    return names


# --- tables -----------------------------------------------------------------------------------


def _tables(
    files: Files, names: Mapping[str, str], images: ImageIndex, limits: ReadLimits,
    options: ReadOptions,
) -> tuple[list[ImageTable], list[str]]:  # fmt: skip
    """(the tables that name images, why others are left out).

    Raises InvalidDataset where there are none, unless folders are classes and no column is given.
    """
    taken = [*(options.target or "").split(","), options.target, options.group, options.time]
    others = [name for name in taken if name]
    is_optional = not others and _are_classes(files)
    full_names, found = set(table_names(files)), []
    left_out: list[str] = []
    for name in sorted(name for name in names if names[name] in full_names):
        if _SUBMISSION.search(name):
            left_out.append(f"{shown(name)} holds predictions, by its name")
            continue
        try:
            table = _table(files, names[name], limits)
            found.append(ImageTable.of(name, table, images, others, _HALF if is_optional else 0.0))
        except InvalidDataset as error:
            left_out.append(str(error) if shown(name) in str(error) else f"{shown(name)}: {error}")
    if not found and not is_optional:
        raise InvalidDataset("; ".join(left_out))
    return found, [f"a table is left out: {reason}" for reason in left_out]


def _table(files: Files, name: str, limits: ReadLimits) -> Table:
    plain = without_suffix(name).lower()
    if plain.endswith(".parquet"):
        return parquet.read_one(files, name, limits)
    if plain.endswith((".csv", ".tsv")):
        return text_table.read_one(files, name, limits)
    return json_lines.read_one(files, name, limits)


def _are_classes(files: Files) -> bool:
    """Whether the images are in folders of several classes."""
    try:
        images, _ = by_class(files)
    except InvalidDataset:
        return False
    return len({one.label for one in images}) > 1


def _label_columns(
    tables: Sequence[ImageTable], options: ReadOptions, *, has_classes: bool
) -> tuple[str, ...]:
    """The target columns; none where folders are the classes."""
    first = min(tables, key=lambda one: one.part not in ("train", None))
    if options.target is not None:
        names = {options.target, *(name.strip() for name in options.target.split(","))}
        first = next((one for one in tables if names & one.table.columns.keys()), first)
    free = [one for one in first.free_columns if one not in (options.group, options.time)]
    named = [one for one in free if one.lower() in NAMES]
    if options.target is None and not named and has_classes:
        return ()
    if options.target is None and len(named or free) == 1:
        return (*(named or free),)
    if not free:
        raise InvalidDataset(f"{shown(first.name)} has no column for the labels; {EXPECTED}")
    columns = {name: first.table.columns[name] for name in free}
    return target_columns_of(replace(first.table, columns=columns), options.target)


def _about_folders(table: ImageTable, options: ReadOptions) -> str:
    others = [one for one in table.free_columns if one not in (options.group, options.time)]
    if not others:
        return ""
    return (
        f"the folders of the images are taken as their classes; if the labels are in "
        f"{shown(table.name)}, name the column: --target COLUMN (target in REST) with one of "
        f"{listed_texts(others)}"
    )


# --- images without labels --------------------------------------------------------------------


def _without_labels(
    names: Mapping[str, str], rows: ImageRows, left_out: Sequence[ImageTable], images: ImageIndex
) -> list[str]:
    """Warnings about the images to predict, and their tables; raises for others without a row."""
    missing = sorted(set(filter(is_image, names)) - set(rows.images))
    predicted = {name for one in left_out for cell in one.cells for name in images.named_by(cell)}
    labelled = {None, *rows.parts}
    free = [one for one in missing if one in predicted or folder_part(one) not in labelled]
    if others := [shown(one) for one in missing if one not in set(free)]:
        total = len(missing) + len(rows.images)
        raise InvalidDataset(
            listed(others, "images without a row", total, "add rows or remove the files")
        )
    found = [f"{shown(one.name)} is left out: it has no column of labels" for one in left_out]
    if free:
        found.append(
            f"images without labels are left out: {len(free):,}, such as {shown(free[0])}; give "
            "them to predict.py of the export"
        )
    return found


# --- labels -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Rows with their labels, and by what they are divided."""

    rows: ImageRows
    target: Target | None  # None: folders are the classes
    kept: NDArray[np.intp]  # the rows with labels, in the order of the parts
    parts: Mapping[str, NDArray[np.intp]]  # indices into them
    table: Table

    @classmethod
    def of(cls, rows: ImageRows, columns: tuple[str, ...], options: ReadOptions) -> "_Labelled":
        keys = [name for name in (options.group, options.time) if name]
        table = rows.table([*columns, *keys])
        target = target_in(table, ",".join(columns), options.task) if columns else None
        kept = np.arange(len(table)) if target is None else target.labels.rows
        return cls(rows, target, kept, table.parts_of(kept), table)

    def read(
        self, files: Files, names: Mapping[str, str], limits: ReadLimits, options: ReadOptions
    ) -> RawData:
        """The images with their labels."""
        order = self.rows.order[self.kept]
        images = [
            ImageFile(names[image := self.rows.images[order[index]]], part, _folder(image))
            for part, chosen in self.parts.items()
            for index in chosen
        ]
        others = [name for name in files.names if not is_image(name)]
        others = [name for name in others if name not in table_names(files)]
        raw = read_listed(files, images, limits, options, others)
        columns = () if self.target is None else self.target.columns
        keys = split_column(self.table, columns, self.kept, self.parts, options.group, options.time)
        raw = replace(raw, keys=keys, notes=(self._note(), *raw.notes))
        return raw if self.target is None else with_labels(raw, self.target, self.parts)

    def _note(self) -> str:
        first = self.rows.tables[0]
        labels = "the folders are the labels"
        if self.target is not None:
            word = "labels: column" if len(self.target.columns) == 1 else "labels: columns"
            labels = f"{word} {listed_texts(self.target.columns)}"
        split = f", splits: column {shown_text(first.split_column)}" if first.split_column else ""
        return f"{labels}, names of images: column {shown_text(first.column)}{split}"


def _folder(image: str) -> str:
    return image.rpartition("/")[0].rpartition("/")[2]


def with_labels(raw: RawData, target: Target, rows: Mapping[str, NDArray[np.intp]]) -> RawData:
    """The images with the labels of the target columns; one-hot columns are classes.

    `rows` are the indices of the labels of each part.
    """
    values, task = target.labels.values, target.task
    are_sets = values.ndim == 2 and task == MULTI_LABEL
    is_one_hot = are_sets and bool((values.sum(axis=1) == 1).all())
    parts = {part: replace(one, y=values[rows[part]]) for part, one in raw.parts.items()}
    return replace(
        raw,
        parts=parts,
        task=None if is_one_hot else task,
        class_names=target.class_names,
        target_names=() if are_sets else target.names,
        warnings=(*raw.warnings, *target.labels.warnings),
    )
