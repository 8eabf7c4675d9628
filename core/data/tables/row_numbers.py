"""Columns of integers that may only number or name the rows: a network has nothing to learn there.

Where rows are sorted by their label, such a column gives it away: the test result is too good.
Those that surely are identifiers are left out (`encoding`); these may be counts, so they are not.

Notation
    n   training rows, in their order
"""

import re

import numpy as np
from numpy.typing import NDArray

from core.data.tables.cells import shown
from core.data.tables.table import Column, Numbers

_FEWEST = 20  # rows
_DENSE = 2  # integers in the range for each row: others hardly fill it without a repetition
_NAMES_ID = re.compile(r"(.*[^a-z])?(id|ids|uuid|guid)", re.IGNORECASE)
_CAMEL = re.compile(r".*[a-z]I[dD]s?")
_REMEDY = "leave it out by --leave-out COLUMN (leave_out in REST and Python)"


def about_row_numbers(name: str, column: Column) -> str:
    """A warning about a column of training rows that is learned from as numbers; or ""."""
    if not isinstance(column, Numbers) or column.is_date:
        return ""
    values = column.values[~column.is_missing]
    if len(values) < _FEWEST or (values != np.round(values)).any():
        return ""
    if found := numbering(values):
        return (
            f"column {shown(name)} may only number the rows: {found}. If so, {_REMEDY}: a network "
            "learns the order of the rows from it; if it is a time, give it as --time"
        )
    if _is_identifier(name):
        return (
            f"column {shown(name)} is learned from as a number, and its name says that it is an "
            f"identifier: {_REMEDY}, or name it as a category (--category), or as --group where "
            "several rows belong together"
        )
    return ""


def numbering(values: NDArray[np.float64]) -> str:
    """Why values (n,) may number their rows; empty where they do not."""
    if len(values) < _FEWEST or (values != np.round(values)).any():
        return ""
    distinct = np.unique(values)
    if len(distinct) < len(values):
        return ""
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return f"its integers {'rise' if steps[0] > 0 else 'fall'} from each row to the next"
    if distinct[-1] - distinct[0] < _DENSE * len(distinct):
        return "its integers are all different and leave few gaps"
    return ""


def _is_identifier(name: str) -> bool:
    return bool(_CAMEL.fullmatch(name) or _NAMES_ID.fullmatch(name))
