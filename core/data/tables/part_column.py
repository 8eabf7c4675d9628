"""The column of a table that says which rows are to train, to validate and to test on."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from core.data.part_names import PARTS, TEST, TRAIN, VALIDATION
from core.data.tables.cells import shown, strings
from core.data.tables.table import Table

_NAMES = re.compile(r"split|subset|set|data ?set|partition|phase", re.IGNORECASE)
_ORDER = (TRAIN, VALIDATION, TEST)


def part_column(columns: Mapping[str, pa.ChunkedArray]) -> str | None:
    """The name of the column; its cells are words such as `train` and `val`, and none is empty."""
    for name, cells in columns.items():
        if _NAMES.fullmatch(name):
            values = {text.lower() for text in strings(cells)}
            if values <= PARTS.keys() and TRAIN in {PARTS[one] for one in values}:
                return name
    return None


def in_parts(table: Table, others: Collection[str | None]) -> Table:
    """The table without such a column, its rows in the order of their parts.

    A table without the column stays as it is, as do one whose files say the parts, and columns of
    other use, named in `others`.
    """
    free = {name: cells for name, cells in table.columns.items() if name not in others}
    if table.parts is not None or (name := part_column(free)) is None:
        return table
    parts = [PARTS[text.lower()] for text in strings(table.columns[name])]
    counts = Counter(parts)
    rows = np.argsort([_ORDER.index(part) for part in parts], kind="stable")
    columns = {one: cells.take(rows) for one, cells in table.columns.items() if one != name}
    sizes = {part: counts[part] for part in _ORDER if part in counts}
    said = ", ".join(f"{count:,} {part}" for part, count in sizes.items())
    note = f"rows are divided as column {shown(name)} says: {said}"
    return replace(table, columns=columns, parts=sizes, notes=(*table.notes, note))
