"""The target of a table: which column it is, and the labels in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.data.labels import FEW_TRAIN_PER_CLASS
from core.data.nested_lists import is_list
from core.data.tables.cells import column_of, missing_marks, shown
from core.data.tables.dialect import listed
from core.data.tables.encoding import why_no_numbers
from core.data.tables.number_lists import number_rows
from core.data.tables.table import Column, Numbers, Rows, Table
from core.data.targets import CLASSES, CLASSIFICATION, MULTI_LABEL, REGRESSION
from core.data.written_lists import written
from core.errors import InvalidDataset

NAMES = ("target", "label", "labels", "class", "y")  # of columns that are taken as the target
_EXACT = 2.0**53  # numbers beyond it may stand for several integers
_TRUTH = {"false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0, "0": 0.0, "1": 1.0}
_UNLABELLED = "; where an example has no label, write []"
_LONGEST = 1_000  # characters of a label: an array has as many for each row
_CODE = re.compile(r"0[0-9]")  # the beginning of a name, such as 007
_FEW = 20  # rows: too few to judge by


def target_columns_of(table: Table, given: str | None) -> tuple[str, ...]:
    """The names of the target columns: `given` may list several, separated by commas."""
    names = (given or "").split(",")
    if given in table.columns or len(names) == 1:
        return (target_of(table, given),)
    found = tuple(target_of(table, name.strip()) for name in names)
    if len(set(found)) < len(found):
        raise InvalidDataset(f"the target columns {given!r} name one twice; expected each once")
    return found


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


@dataclass(frozen=True, slots=True)
class Target:
    """The target columns of a table, and what is in them."""

    columns: tuple[str, ...]
    labels: "TargetLabels"
    task: str | None  # what the labels are for, as far as it is known
    class_names: tuple[str, ...] | None  # of several labels

    @property
    def names(self) -> tuple[str, ...]:
        """The names of numbers to predict; those in lists of one column are counted from 0."""
        values = self.labels.values
        if len(self.columns) > 1 or values.ndim == 1 or values.shape[1] == 1:
            return self.columns
        return tuple(f"{self.columns[0]}{index}" for index in range(values.shape[1]))


def target_in(table: Table, given: str | None, task: str | None) -> Target:
    """The target that `given` names; raises InvalidDataset where there is none such."""
    columns = target_columns_of(table, given)
    if len(columns) == 1:
        name, cells = columns[0], table.columns[columns[0]]
        if (found := number_rows(cells, name, task)) is not None:
            left = len(cells) - len(found[1])
            return Target(columns, TargetLabels(*found, _left_out(left, name)), task, None)
        if task in (None, MULTI_LABEL) and _lists_names(cells.type):
            table, task = _with_written_lists(table, name), MULTI_LABEL
        return Target(columns, labels_of(table, columns[0], task), task, None)
    matrix = label_matrix_of(table, columns, task)
    task = task_of(matrix.values, task)
    return Target(columns, matrix, task, columns if task == MULTI_LABEL else None)


def _with_written_lists(table: Table, name: str) -> Table:
    """The table with the lists of labels in a column written as texts."""
    cells = table.columns[name].to_pylist()
    texts = [None if one is None else _written(one) for one in cells]
    return replace(table, columns={**table.columns, name: pa.chunked_array([texts], pa.string())})


def _lists_names(kind: pa.DataType) -> bool:
    """Whether a type is that of lists of texts, or of integers, which are names as well."""
    if not is_list(kind):
        return False
    types, inner = pa.types, kind.value_type
    return bool(types.is_string(inner) or types.is_large_string(inner) or types.is_integer(inner))


def _written(labels: list[str | int | None]) -> str:
    return written([str(one) for one in labels if one is not None])


@dataclass(frozen=True, slots=True)
class TargetLabels:
    """The labels in the target column: numbers to predict, or names and integers of classes."""

    values: NDArray[Any]  # of the rows that have one
    rows: Rows  # these rows
    warnings: tuple[str, ...]


def labels_of(table: Table, name: str, task: str | None) -> TargetLabels:
    """The labels in a column; without a task, numbers are to be predicted if some are fractions.

    Raises InvalidDataset where there are none, or no numbers where they are to be predicted.
    """
    cells = table.columns[name]
    typed = column_of(cells, name, table.decimal_comma)
    if _is_predicted(typed, name, task):
        rows, warning = _labelled(typed, name)
        values = typed.values[rows]
        warnings = (typed.warning, warning)
    else:
        column = column_of(cells, name, as_texts=True)
        rows, warning = _labelled(column, name)
        if warning:
            warning += _UNLABELLED if task == MULTI_LABEL else _marks(cells)
        if task != MULTI_LABEL:  # whose texts may list numbers: "1,2"
            _check_repeated(column, typed, rows, name)
        values, warnings = _class_labels(column, typed, rows, name), ("", warning)
    return TargetLabels(values, rows, tuple(filter(None, warnings)))


def _marks(cells: pa.ChunkedArray) -> str:
    """Which cells that are not empty count as missing: people may mean a class by them."""
    found = missing_marks(cells, FEW_TRAIN_PER_CLASS)
    if not found:
        return ""
    return f", those with {listed(found)} among them: if this is a class, rename it"


def label_matrix_of(table: Table, names: Sequence[str], task: str | None) -> TargetLabels:
    """The values of several columns, (rows, columns): 0 and 1 of labels, or numbers to predict.

    Raises InvalidDataset where a column holds neither.
    """
    columns = [_values(table, name) for name in names]
    is_complete = ~np.any([np.isnan(values) for values in columns], axis=0)
    rows = np.flatnonzero(is_complete)
    if not len(rows):
        raise InvalidDataset(
            f"no row has a value in each of the target columns {listed(list(names))}; expected "
            "rows with all of them"
        )
    left = len(is_complete) - len(rows)
    text = f"rows without a value in one of the target columns are left out: {left:,}"
    return TargetLabels(np.stack(columns, axis=1)[rows], rows, (text,) if left else ())


def task_of(values: NDArray[np.float64], task: str | None) -> str:
    """What several target columns are for; raises InvalidDataset where they name one class."""
    if task == CLASSIFICATION:
        raise InvalidDataset(
            f"found {values.shape[1]} target columns; expected one for the task {CLASSES}, "
            f"or the task {MULTI_LABEL} for columns of 0 and 1"
        )
    return task or (MULTI_LABEL if np.isin(values, (0, 1)).all() else REGRESSION)


def _values(table: Table, name: str) -> NDArray[np.float64]:
    """The numbers in a column, truth values as 0 and 1, NaN where there is none: (rows,)"""
    column = column_of(table.columns[name], name, table.decimal_comma)
    if _is_number(column):
        return np.where(column.is_missing, np.nan, column.values)
    if isinstance(column, Numbers) or not {k.lower() for k in column.known} <= _TRUTH.keys():
        raise InvalidDataset(
            f"the target column {shown(name)} holds texts or dates; expected numbers, or 0 and 1 "
            "for a label, in each of several target columns"
        )
    return np.array([*(_TRUTH[k.lower()] for k in column.known), np.nan])[column.codes]


def _is_predicted(column: Column, name: str, task: str | None) -> TypeGuard[Numbers]:
    """Whether the target is a number to predict, and no class."""
    if _is_number(column):
        return task == REGRESSION or (task is None and not _is_whole(column))
    if task == REGRESSION:
        kind = "dates" if isinstance(column, Numbers) else "texts or truth values"
        why = "" if isinstance(column, Numbers) else why_no_numbers(column.known)
        raise InvalidDataset(
            f"the target column {shown(name)} holds {kind}{f' ({why})' if why else ''}; expected "
            f"numbers to predict, or the task {CLASSES}"
        )
    return False


def _is_number(column: Column) -> TypeGuard[Numbers]:
    return isinstance(column, Numbers) and not column.is_date


def _is_whole(column: Numbers) -> bool:
    values = column.values[~column.is_missing]
    return bool((values == np.round(values)).all())


def _labelled(column: Column, name: str) -> tuple[Rows, str]:
    """(the rows that have a label, a warning about the others)"""
    rows = np.flatnonzero(~column.is_missing)
    if not len(rows):
        raise InvalidDataset(f"the target column {shown(name)} is empty; expected labels")
    return rows, "".join(_left_out(len(column.is_missing) - len(rows), name))


def _left_out(count: int, name: str) -> tuple[str, ...]:
    """A warning about rows without a label; none where all have one."""
    text = f"rows without a value in the target column {shown(name)} are left out: {count:,}"
    return (text,) if count else ()


def _class_labels(column: Column, typed: Column, rows: Rows, name: str) -> NDArray[Any]:
    """Labels as integers where all are, else as texts; raises InvalidDataset for long ones."""
    assert not isinstance(column, Numbers)
    is_code = any(map(_CODE.match, column.known))  # the zeros belong to the name
    is_whole = _is_number(typed) and not typed.is_missing[rows].any() and _is_whole(typed)
    if is_whole and not is_code:
        assert isinstance(typed, Numbers)
        values = typed.values[rows]
        if np.abs(values).max() <= _EXACT:
            return values.astype(np.int64)
    longest = max(column.known, key=len)
    if len(longest) > _LONGEST:
        raise InvalidDataset(
            f"the target column {shown(name)} holds {shown(longest)} of {len(longest):,} "
            "characters; expected short names of classes, or numbers: name another column"
        )
    return np.array(column.known)[column.codes[rows]]


def _check_repeated(column: Column, typed: Column, rows: Rows, name: str) -> None:
    """Raise InvalidDataset for dates or numbers with marks that differ in most rows: no classes."""
    if isinstance(column, Numbers) or len(rows) < _FEW or 2 * len(column.known) <= len(rows):
        return
    is_date = isinstance(typed, Numbers) and typed.is_date
    if why := "it holds dates" if is_date else why_no_numbers(column.known):
        raise InvalidDataset(
            f"the target column {shown(name)} has {len(column.known):,} different texts in "
            f"{len(rows):,} rows: {why}; expected classes that repeat, or numbers to predict"
        )
