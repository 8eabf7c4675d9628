"""Tables about images: the column that names their files, and the image of each row.

A row is for training, validation or test by the name of its table, else by a column `split`, else
by the folder of its image.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.data.files import shown
from core.data.image_names import ImageIndex, is_image
from core.data.part_names import PARTS, TEST, TRAIN, VALIDATION, part_of
from core.data.tables.cells import shown as shown_text
from core.data.tables.cells import strings
from core.data.tables.joining import joined
from core.data.tables.part_column import part_column
from core.data.tables.table import Table
from core.errors import InvalidDataset

EXPECTED = "expected one column with the names of the image files, as file, and one with the labels"
_UNNAMED = re.compile(r"column \d+|unnamed:.*|index", re.IGNORECASE)  # columns that pandas adds
_HEADLESS = re.compile(r".*\.(parquet|jsonl|ndjson)(\.\w+)?", re.IGNORECASE)
_SAMPLE = 1_000  # rows by which the column of the file names is recognised
_NAMED = 5  # rows or files in a message, at most
_ORDER = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class ImageTable:
    """A table, one column of which names images."""

    name: str  # of the file
    table: Table
    column: str  # with the names of the images

    @classmethod
    def of(
        cls,
        name: str,
        table: Table,
        images: ImageIndex,
        others: Sequence[str],
        least: float = 0.0,  # share of the cells that name images
    ) -> "ImageTable":
        """The column is the one, not among `others`, whose cells name most images.

        Raises InvalidDataset where no column does, and for a table without names of columns.
        """
        for column in table.columns:
            if is_image(column) and images.named_by(column):
                raise InvalidDataset(
                    f"the first row of {shown(name)} names the image {shown_text(column)}; "
                    "expected the names of the columns, as file and label: add a first row"
                )
        samples = {column: _sample(cells) for column, cells in table.columns.items()}
        counts = {
            column: len({match for cell in cells for match in images.named_by(cell)})
            for column, cells in samples.items()
            if column not in others
        }
        best = max(counts, key=lambda column: counts[column], default="")
        if counts.get(best, 0) <= least * len(samples.get(best, ())):
            first = ", ".join(
                f"{column} {shown_text(strings(cells.slice(0, 1))[0])}"
                for column, cells in [*table.columns.items()][:3]
            )
            raise InvalidDataset(
                f"no column of {shown(name)} names the images (its first row: {first}); {EXPECTED}"
            )
        return cls(name, table, best)

    @property
    def part(self) -> str | None:
        """The part that the name of the table says."""
        return part_of(self.name)

    @property
    def cells(self) -> list[str]:
        """The names of the images as they are written."""
        return strings(self.table.columns[self.column])

    @property
    def split_column(self) -> str | None:
        """The column that says for each row which part it is for."""
        return part_column(self.table.columns)

    @property
    def free_columns(self) -> list[str]:
        """The columns that may hold labels, groups or times."""
        taken = (self.column, self.split_column)
        return [
            one for one in self.table.columns if one not in taken and not _UNNAMED.fullmatch(one)
        ]

    def row(self, index: int) -> str:
        """A row for messages, counted as in a spreadsheet: the names of columns are row 1."""
        return f"row {index + (1 if _HEADLESS.fullmatch(self.name) else 2)} of {shown(self.name)}"


def _sample(cells: pa.ChunkedArray) -> list[str]:
    step = max(1, len(cells) // _SAMPLE)
    return strings(cells.take(pa.array(range(0, len(cells), step))))


@dataclass(frozen=True, slots=True)
class ImageRows:
    """The rows of all tables, each with an image of its own."""

    tables: Sequence[ImageTable]
    images: Sequence[str]
    parts: Sequence[str]

    @classmethod
    def of(cls, tables: Sequence[ImageTable], images: ImageIndex) -> "ImageRows":
        """Raises InvalidDataset for rows that name no image, several, or one of another row."""
        faults = _Faults()
        found: list[str] = []
        parts: list[str] = []
        for table in tables:
            column = table.split_column
            given = [] if column is None else strings(table.table.columns[column])
            for index, cell in enumerate(table.cells):
                found.append(faults.image(table, index, cell, images))
                own = PARTS[given[index].lower()] if given else None
                parts.append(table.part or own or folder_part(found[-1]) or TRAIN)
        faults.check(len(found))
        if TRAIN not in parts and len(set(parts)) == 1:
            parts = [TRAIN] * len(parts)  # the name of the only table says no more than "data"
        return cls(tables, found, parts)

    @property
    def order(self) -> NDArray[np.intp]:
        """The rows, those of each part together."""
        return np.argsort([_ORDER.index(part) for part in self.parts], kind="stable")

    def table(self, columns: Sequence[str]) -> Table:
        """These columns of all tables, and that of the images, in this order."""
        first = self.tables[0].column
        selected = {
            one.name: replace(
                one.table,
                columns={first: one.table.columns[one.column]}
                | {name: cells for name, cells in one.table.columns.items() if name in columns},
            )
            for one in self.tables
        }
        together, order = joined(selected, {}), pa.array(self.order)
        sizes = {part: count for part in _ORDER if (count := self.parts.count(part))}
        rows = {name: cells.take(order) for name, cells in together.columns.items()}
        return replace(together, columns=rows, parts=sizes)


def folder_part(image: str) -> str | None:
    """The part that a folder above an image is named after."""
    folders = image.lower().split("/")[:-1]
    return next((PARTS[one] for one in folders if one in PARTS), None)


def listed(found: Sequence[str], what: str, total: int, remedy: str) -> str:
    """Faults for a message: how many of how many, the first ones, and what to do."""
    more = ", …" if len(found) > _NAMED else ""
    return f"{what}: {len(found):,} of {total:,}, {', '.join(found[:_NAMED])}{more}: {remedy}"


class _Faults:
    """What is wrong with rows, gathered so that one message names all of it."""

    def __init__(self) -> None:
        self._missing: list[str] = []
        self._unclear: list[str] = []
        self._repeated: list[str] = []
        self._row_of: dict[str, str] = {}

    def image(self, table: ImageTable, index: int, cell: str, images: ImageIndex) -> str:
        """The image that a row names; "" where the row has a fault."""
        row, found = table.row(index), _narrowed(images.named_by(cell), table)
        if not found:
            self._missing.append(f"{row} {shown_text(cell)}")
        elif len(found) > 1:
            self._unclear.append(f"{row} {shown_text(cell)} ({', '.join(map(shown, found[:2]))})")
        elif found[0] in self._row_of:
            self._repeated.append(f"{shown(found[0])} in {self._row_of[found[0]]} and in {row}")
        else:
            self._row_of[found[0]] = row
            return found[0]
        return ""

    def check(self, rows: int) -> None:
        """Raise InvalidDataset where there are faults."""
        kinds = (
            (self._missing, "rows that name no image", "add the files or remove the rows"),
            (self._unclear, "rows that may name several images", "write the folder, too"),
            (self._repeated, "rows that name an image again", "keep one row for each image"),
        )
        texts = [listed(found, what, rows, remedy) for found, what, remedy in kinds if found]
        if texts:
            raise InvalidDataset("; ".join(texts))


def _narrowed(images: Sequence[str], table: ImageTable) -> list[str]:
    """Of the images that a cell may name, those of the part and in the folder of the table."""
    part, folder = table.part, table.name.rpartition("/")[0]
    found = [one for one in images if part is None or folder_part(one) in (None, part)]
    if near := [one for one in found if part is not None and folder_part(one) == part]:
        found = near
    near = [one for one in found if folder and one.startswith(f"{folder}/")]
    return near or found
