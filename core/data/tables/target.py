"""The target of a table: which column it is, and the labels in it."""

import numpy as np
from numpy.typing import NDArray

from core.data.tables.cells import column_of, shown
from core.data.tables.dialect import listed
from core.data.tables.table import Column, Numbers, Rows, Table
from core.errors import InvalidDataset

NAMES = ("target", "label", "labels", "class", "y")  # of columns that are taken as the target
_MANY = 20  # different integers: with more, and many to a row, they measure something
_ROWS_EACH = 20  # of each integer, on average, where there are many


def target_of(table: Table, given: str | None) -> str:
    """The name of the target column; raises InvalidDataset where it must be given."""
    if given is not None:
        if given not in table.columns:
            raise InvalidDataset(
                f"the table has no column {shown(given)} for the target; it has "
                f"{listed([*table.columns])}"
            )
        return given
    found = [name for name in table.columns if name.lower() in NAMES]
    if len(found) != 1:
        which = "none" if not found else f"several ({listed(found)})"
        raise InvalidDataset(
            f"the target column must be named: of {', '.join(NAMES)} the table has {which}. Give "
            f"--target COLUMN (target in REST) with one of {listed([*table.columns])}"
        )
    return found[0]


def labels_of(table: Table, name: str) -> tuple[NDArray[np.generic], Rows, str]:
    """(the labels of the rows that have one, these rows, a warning about the others)"""
    column = column_of(table.columns[name], name, as_texts=True)
    rows = np.flatnonzero(~column.is_missing)
    if not len(rows):
        raise InvalidDataset(f"the target column {shown(name)} is empty; expected labels")
    typed = column_of(table.columns[name], name, table.decimal_comma)
    if isinstance(typed, Numbers):
        _refuse_regression(name, typed.values[~typed.is_missing])
    warning = ""
    if left := len(table) - len(rows):
        warning = f"rows without a value in the target column {shown(name)} are left out: {left:,}"
    return _labels(column, typed, rows), rows, warning


def _labels(column: Column, typed: Column, rows: Rows) -> NDArray[np.generic]:
    """Labels as integers where all are, else as texts."""
    if isinstance(typed, Numbers) and not typed.is_missing[rows].any() and not typed.is_date:
        return typed.values[rows].astype(np.int64)
    assert not isinstance(column, Numbers)
    return np.array(column.known)[column.codes[rows]]


def _refuse_regression(name: str, values: NDArray[np.float64]) -> None:
    """Raise InvalidDataset for a target that is measured, not chosen from a few classes."""
    distinct = np.unique(values)
    is_whole = bool((distinct == np.round(distinct)).all())
    if is_whole and (len(distinct) <= _MANY or len(distinct) * _ROWS_EACH <= len(values)):
        return
    kind = "integers" if is_whole else "numbers"
    raise InvalidDataset(
        f"the target column {shown(name)} holds {len(distinct):,} different {kind} from "
        f"{distinct[0]:g} to {distinct[-1]:g}: predicting a number is regression, and tables are "
        "only classified so far; expected classes: name another column, or replace the numbers "
        "by the names of ranges"
    )
