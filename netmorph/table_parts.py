"""The tables that lists for people are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Columns from which on a row with complete ids and all words is readable on one line.
WIDE = 160
#: Columns below which a list has no room for all of its facts.
USUAL = 80
SHORT_ID = 8  # characters
_NAME, _TEXT = 16, 8  # columns that a name and another text of any length keep
_GAP = 2  # columns between two facts
_INDENT = 4  # columns before the words of a row
_FOLDED = frozenset(
    {"name", "data set", "device", "error", "events", "morphisms", "problem", "search", "url"}
)  # columns with text of any length


def empty_table(*labels: str) -> Table:
    """An empty table without lines; names may be folded, every other cell stays on one line.

    Where a terminal has no room for such a cell, an ellipsis says that its end is missing.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for label in labels:
        is_line = label not in _FOLDED
        table.add_column(label, overflow="ellipsis" if is_line else "fold", no_wrap=is_line)
    return table


def list_table(
    labels: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    width: int,
    extras: Sequence[str] = (),
) -> Table:
    """A table of rows; below `USUAL` columns, with those of the extras alone that have room.

    The extras are labels, the most important first. All other labels are always there.
    """
    kept = range(len(labels)) if width >= USUAL else _fitting(labels, rows, width, extras)
    table = empty_table(*(labels[index] for index in kept))
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    return table


def _fitting(
    labels: Sequence[str], rows: Sequence[Sequence[str | Text]], width: int, extras: Sequence[str]
) -> list[int]:
    """The indices of the labels that a terminal of this width has room for."""
    needed = {
        label: _GAP + _needed(label, [str(row[index]) for row in rows])
        for index, label in enumerate(labels)
    }
    kept = set(labels) - set(extras)
    for label in extras:
        if label in needed and sum(needed[one] for one in {*kept, label}) - _GAP <= width:
            kept.add(label)
    return [index for index, label in enumerate(labels) if label in kept]


def _needed(label: str, cells: Sequence[str]) -> int:
    """The columns that a fact needs to be of use: names and other texts may be shortened."""
    longest = max(map(cell_len, (label, *cells)))
    if label not in _FOLDED:
        return longest
    return min(longest, _NAME if label == "name" else _TEXT)


@dataclass(frozen=True, slots=True)
class NarrowTable:
    """A table whose rows are one line each, with words on indented lines below them."""

    labels: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str]  # of each row; may be empty
    extras: Sequence[str] = ()  # labels, as in `list_table`

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [
            [Text(cell, no_wrap=True, overflow="ellipsis") for cell in row] for row in self.rows
        ]
        table = list_table(self.labels, rows, options.max_width, self.extras)
        header, *lines = console.render_lines(table, options, pad=False, new_lines=True)
        yield from header
        for line, words in zip(lines, self.words, strict=True):
            yield from line
            if words:
                yield Padding(Text(words), (0, 0, 0, _INDENT), expand=False)
