"""Columns that say the label in other words: a code for each class, the number in another unit.

A network that reads such a column has a perfect test, and is of no use where the label is not
known yet.

Notation
    n   rows
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.tables.dialect import listed
from core.data.tables.table import Column, Numbers

_FIRST = 1_000  # rows that are looked at before all are
_FEWEST = 20  # rows
_PRESENT = 0.5  # of the cells
_CHANCE = float(np.log(1e-6))  # log-probability from which values may agree with classes by chance
_RESIDUAL = 1e-3  # standard deviations of the target: units differ by a factor, and by rounding


def copies_label(column: Column, labels: NDArray[np.generic]) -> bool:
    """Whether a column says the labels (n,) in other words: classes, or as floats numbers."""
    present = ~column.is_missing
    if present.sum() < max(_FEWEST, _PRESENT * len(labels)):
        return False
    labels = labels[present]
    if labels.dtype.kind != "f":
        values = column.values if isinstance(column, Numbers) else column.codes
        values = values[present]
        return all(_is_code(values[some], labels[some]) for some in (slice(_FIRST), slice(None)))
    return isinstance(column, Numbers) and _is_linear(column.values[present], labels.astype(float))


def warning_about(names: Sequence[str], *, are_numbers: bool) -> str:
    """A warning about the columns of these names; empty without any."""
    if not names:
        return ""
    columns = f"column{'s' * (len(names) > 1)} {listed(names)}"
    found = (
        f"the number to predict is that of {columns} in another unit"
        if are_numbers
        else f"each class has one value of its own in {columns}"
    )
    return (
        f"{found}: if it is not known before the label, leave it out by --leave-out COLUMN "
        "(leave_out in REST and Python), since the test result will be too good"
    )


def _is_code(values: NDArray[np.generic], labels: NDArray[np.generic]) -> bool:
    """Whether each class has one value of its own."""
    _, codes = np.unique(values, return_inverse=True)
    classes, numbers, rows = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2 or codes.max() + 1 != len(classes):
        return False
    pairs = np.unique(codes * len(classes) + numbers)
    chance = ((rows - 1) * np.log(rows / rows.sum())).sum()
    return len(pairs) == len(classes) and bool(chance < _CHANCE)


def _is_linear(values: NDArray[np.float64], labels: NDArray[np.float64]) -> bool:
    """Whether numbers are a multiple of others plus a constant, but for rounding."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x, y = ((one - one.mean()) / one.std() for one in (values, labels))
        return bool(1 - abs((x * y).mean()) <= _RESIDUAL**2 / 2)  # of NaN never
