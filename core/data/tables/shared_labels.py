"""Columns that name things of several rows: all visits of a patient, all steps of a series.

The rows of one patient have one label. Divided at random they are in training and test, and the
test result is too good. A table of series in long format looks the same: each of its rows would
be taken as an example.

Notation
    n   rows
    m   different values of a column
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.tables.cells import shown
from core.data.tables.table import Column, Numbers

_FIRST = 1_000  # rows that are looked at before all are
_FEWEST = 10  # values; a column of fewer may be a category that decides the label
_CHANCE = float(np.log(1e-6))  # log-probability from which labels may agree by chance
_TURNS = 0.05  # of the values: where the label follows from a quantity, it turns less often


@dataclass(frozen=True, slots=True)
class SharedLabels:
    """A column of which all rows with one value have the same label."""

    column: str
    values: int  # how many different ones
    rows: int


def shared_labels(name: str, column: Column, labels: NDArray[np.intp]) -> SharedLabels | None:
    """What is found where a column names things of several rows; else None.

    `labels` (n,) are integers from 0, equal for equal labels.
    """
    present = ~column.is_missing
    values = (column.values if isinstance(column, Numbers) else column.codes)[present]
    labels = labels[present]
    first = slice(_FIRST)
    if not _agree(values[first], labels[first]) or not _agree(values, labels):
        return None
    _, index, rows = np.unique(values, return_index=True, return_counts=True)
    if len(index) < _FEWEST or _chance(labels, labels[index], rows) > _CHANCE:
        return None
    if isinstance(column, Numbers) and not _is_name(column, labels[index]):
        return None
    return SharedLabels(name, len(index), len(values))


def warnings_about(found: Sequence[SharedLabels]) -> list[str]:
    """A warning about the column with the fewest values; none where nothing is found."""
    if not found:
        return []
    least = min(found, key=lambda one: one.values)
    return [
        f"all rows with one value of column {shown(least.column)} have the same label: "
        f"{least.values:,} values in {least.rows:,} rows, of which each counts as an example. If "
        "the column names patients, machines or the like, give it as --group (group in REST): else "
        "the test result will be too good. If rows are the steps of series, write each series as "
        "one row with a list of its values, in Parquet or JSON Lines, or as a row of x in an npz "
        "file"
    ]


def _agree(values: NDArray[np.generic], labels: NDArray[np.intp]) -> bool:
    """Whether rows with the same value have the same label."""
    order = np.lexsort((labels, values))
    is_same = values[order][1:] == values[order][:-1]
    return bool((labels[order][1:] == labels[order][:-1])[is_same].all())


def _chance(labels: NDArray[np.intp], of_values: NDArray[np.intp], rows: NDArray[np.intp]) -> float:
    """The log-probability that labels drawn at random agree so, with `rows` (m,) of each value."""
    shares = np.bincount(labels) / len(labels)
    return float(((rows - 1) * np.log(shares[of_values])).sum())


def _is_name(column: Numbers, of_values: NDArray[np.intp]) -> bool:
    """Whether numbers are names: whole ones whose labels follow no order."""
    present = column.values[~column.is_missing]
    if column.is_date or (present % 1).any():
        return False
    steps = np.sign(np.diff(of_values))
    steps = steps[steps != 0]
    turns = int((steps[1:] != steps[:-1]).sum())
    return turns >= _TURNS * len(of_values)
