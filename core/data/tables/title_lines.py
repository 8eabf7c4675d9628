"""Titles and notes above the names of the columns, as people write them in spreadsheets.

Such lines have fewer cells than the table, or are filled up with empty ones. The line of the names
is the first from which all rows have equally many cells; it holds no numbers, and rows below do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.data.tables.cells import BLANKS, NUMBER, shown

_FEWEST = 3  # columns: the first of two names may be empty, as pandas writes an index
_NAMED = 3  # columns in a message
_MOST_NAMED = 0.5  # of the cells of a line that is filled up


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a text file, and the line on which it begins, counted from 1."""

    line: int
    cells: Sequence[str]

    @property
    def texts(self) -> list[str]:
        """The cells that are not empty."""
        return [cell.strip(BLANKS) for cell in self.cells if cell.strip(BLANKS)]


def about_title(readings: Sequence[Sequence[Row]]) -> str:
    """What to do about lines above the names of the columns; "" where there are none.

    Each reading has the first rows of the file, separated in one way; the last may be cut off.
    """
    starts = [(records, start) for records in readings if (start := _start(records))]
    if not starts or any(_is_table(records) for records in readings):
        return ""
    records, start = max(starts, key=lambda one: len(one[0][one[1]].cells))
    names, title = records[start], next(iter(records[0].texts), "")
    above = "line 1 is" if names.line == 2 else f"lines 1 to {names.line - 1} are"
    them = "it" if names.line == 2 else "them"
    more = ", …" * (len(names.texts) > _NAMED)
    said = ", ".join(shown(name) for name in names.texts[:_NAMED]) + more
    return (
        f"line {names.line} seems to hold the names of the columns ({said}), and {above} above "
        f"it, beginning with {shown(title)}; expected the names in the first line: remove {them}"
    )


def _is_table(records: Sequence[Row]) -> bool:
    """Whether all rows have equally many cells, and the first one names most of them."""
    width = len(records[0].cells) if records else 0
    return (
        width > 1
        and all(len(one.cells) == width for one in records[1:-1])
        and not _is_above(records[0], width)
    )


def _start(records: Sequence[Row]) -> int:
    """The index of the row of names below others; 0 where there is none."""
    rows = records[:-1]
    width = len(rows[-1].cells) if rows else 0
    start = len(rows)
    while start and len(rows[start - 1].cells) == width:
        start -= 1
    while start < len(rows) and _is_above(rows[start], width):
        start += 1
    below = rows[start + 1 :]
    if width < 2 or not below or not all(_is_above(one, width) for one in rows[:start]):
        return 0
    has_numbers = any(_is_number(cell) for one in below for cell in one.cells)
    return start if has_numbers and not any(map(_is_number, rows[start].cells)) else 0


def _is_above(row: Row, width: int) -> bool:
    """Whether a row may be a title or a note above a table with this number of columns."""
    is_filled_up = width >= _FEWEST and len(row.texts) <= _MOST_NAMED * width
    return len(row.cells) != width or is_filled_up


def _is_number(cell: str) -> bool:
    return re.fullmatch(NUMBER, cell.strip(BLANKS).replace(",", ".", 1)) is not None
