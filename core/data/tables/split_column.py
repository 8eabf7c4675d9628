"""The column of a table by whose groups or times its rows are divided."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.split_keys import SplitKeys, keys_of
from core.data.tables.cells import column_of, shown
from core.data.tables.dialect import listed
from core.data.tables.table import Numbers, Rows, Table
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind

_MILLISECONDS = 86_400_000  # of a day


def split_column(
    table: Table,
    targets: tuple[str, ...],
    rows: Rows,
    parts: Mapping[str, Rows],  # indices into `rows`
    group: str | None,
    time: str | None,
) -> SplitKeys | None:
    """The groups or times of the rows; None where no column is named.

    Raises InvalidDataset for a column that is not there, has rows without a value, or holds texts
    where times are expected.
    """
    name, kind = (group, SplitKind.GROUP) if group is not None else (time, SplitKind.TIME)
    if name is None:
        return None
    word = "groups" if group is not None else "times"
    if name not in table.columns or name in targets:
        others = [one for one in table.columns if one not in targets]
        found = "is the target" if name in targets else "is not in the table"
        raise InvalidDataset(
            f"the column {shown(name)} for the {word} {found}; expected one of {listed(others)}"
        )
    values = (_groups if group is not None else _times)(table, name, rows)
    by_part = {part: values[indices] for part, indices in parts.items()}
    return keys_of(kind, by_part, f"column {shown(name)}", name)


def _groups(table: Table, name: str, rows: Rows) -> NDArray[Any]:
    column = column_of(table.columns[name], name, as_texts=True)
    assert not isinstance(column, Numbers)
    _check_present(column.is_missing[rows], name, "group")
    return column.codes[rows]


def _times(table: Table, name: str, rows: Rows) -> NDArray[Any]:
    column = column_of(table.columns[name], name, table.decimal_comma)
    if not isinstance(column, Numbers):
        text = next(iter(column.known), "")
        raise InvalidDataset(
            f"the column {shown(name)} for the times holds texts such as {shown(text)}; expected "
            "dates as 2024-12-31 or 2024-12-31 18:30, or numbers: convert it"
        )
    _check_present(column.is_missing[rows], name, "time")
    values = column.values[rows]
    return np.rint(values * _MILLISECONDS).astype("datetime64[ms]") if column.is_date else values


def _check_present(is_missing: NDArray[np.bool_], name: str, word: str) -> None:
    if count := int(is_missing.sum()):
        raise InvalidDataset(
            f"the column {shown(name)} has no {word} in {count:,} of {len(is_missing):,} rows; "
            "expected one in each: fill or remove these rows"
        )
