"""The tables that lists for people are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Columns from which on a row with complete ids and all words is readable on one line.
WIDE = 160
SHORT_ID = 8  # characters
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


@dataclass(frozen=True, slots=True)
class NarrowTable:
    """A table whose rows are one line each, with words on indented lines below them."""

    labels: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str]  # of each row; may be empty

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = empty_table(*self.labels)
        for row in self.rows:
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
        header, *lines = console.render_lines(table, options, pad=False, new_lines=True)
        yield from header
        for line, words in zip(lines, self.words, strict=True):
            yield from line
            if words:
                yield Padding(Text(words), (0, 0, 0, _INDENT), expand=False)
