"""What the columns of a table mean, as far as they are not given."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.division import Division, divided
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake.arrays import of_examples
from core.data.intake.assembly import Intake, about_validation, arranged, of_arrays
from core.data.intake.examples import prepared
from core.data.intake.labels import Labels, regression_suggested, understand_labels
from core.data.intake.texts import of_texts
from core.data.layouts import Layout, layout_of
from core.data.nested_lists import array_of, is_list
from core.data.split_keys import SplitKeys
from core.data.tables.cells import shown
from core.data.tables.dialect import listed
from core.data.tables.left_out import check_left_out
from core.data.tables.part_column import in_parts
from core.data.tables.split_column import split_column
from core.data.tables.table import Table
from core.data.tables.target import Target, target_in
from core.data.tables.texts import texts_of
from core.data.tables.understanding import encoded
from core.errors import InvalidDataset


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table that have labels, and how they are divided."""

    parts: Mapping[str, NDArray[np.intp]]  # indices into the rows with labels
    labels: Labels
    keys: SplitKeys | None
    division: Division


def _rows_of(table: Table, target: Target, options: ReadOptions) -> _Rows:
    columns, rows = target.columns, target.labels.rows
    parts = table.parts_of(rows)
    _check_parts(parts, columns)
    values = {part: target.labels.values[indices] for part, indices in parts.items()}
    labels = understand_labels(
        values, target.task, target.class_names, target.names, merge=options.merge_labels
    )
    keys = split_column(table, columns, rows, parts, options.group, options.time)
    division = divided(labels.numbers, labels.class_names, keys, options.split_seed)
    return _Rows(parts, labels, keys, division)


@contextmanager
def _left_out_told(warnings: Sequence[str]) -> Iterator[None]:
    """Add what was said about rows without a label to errors about classes."""
    try:
        yield
    except InvalidDataset as error:
        if not warnings or "class" not in str(error):
            raise
        raise InvalidDataset(f"{error} ({'; '.join(warnings)})") from None


def understand_table(kind: str, table: Table, limits: ReadLimits, options: ReadOptions) -> Intake:
    """What the columns of a table mean, as far as they are not given."""
    table = in_parts(table, _named(options))
    target = target_in(table, options.target, options.task)
    _check_left_out(table, target, options)
    given = target.labels
    taken = {*target.columns, *options.leave_out}
    if lists := [name for name in list_columns(table) if name not in taken]:
        return _understand_lists(kind, table, target, lists, limits, options)
    with regression_suggested(given.values, target.task), _left_out_told(given.warnings):
        rows = _rows_of(table, target, options)
        labels, division = rows.labels, rows.division
        found = encoded(
            table, target.columns, given.rows, given.rows[rows.parts["train"][division.train]],
            categories=options.categories, leave_out=options.leave_out,
            most_bytes=limits.tables, keys=rows.keys, labels=given.values,
        )  # fmt: skip
        axes = Layout("NF", "rows of a table")
        views, dtype = prepared({"train": found.x}, axes)
        by_part = {part: views["train"][indices] for part, indices in rows.parts.items()}
        arrays = replace(
            arranged(by_part, labels.numbers, labels, division, dtype), layout=axes.letters,
            table=found.spec,
        )  # fmt: skip
        return of_arrays(
            arrays, kind=kind, axes=axes, test_given=division.test is None, learned=found.learned,
            notes=[*table.notes, *labels.notes, *about_validation(division)],
            warnings=[*given.warnings, *labels.warnings, *found.warnings, *division.warnings],
            task_reason=labels.reason, groups=division.groups,
        )  # fmt: skip


def list_columns(table: Table) -> list[str]:
    """The names of the columns whose cells are lists."""
    return [name for name, cells in table.columns.items() if is_list(cells.type)]


def _understand_lists(
    kind: str, table: Table, target: Target, lists: list[str], limits: ReadLimits,
    options: ReadOptions,
) -> Intake:  # fmt: skip
    """What a table with a column of lists means: each list is an example."""
    if options.categories:
        raise InvalidDataset(
            f"found categories beside the column of lists {listed(lists)}, the only one that is "
            "learned from; expected one of both: leave the categories out, or remove the column"
        )
    if len(lists) > 1:
        raise InvalidDataset(
            f"found {len(lists)} columns of lists ({listed(lists)}); expected one, the examples: "
            "leave the others out by --leave-out COLUMN (leave_out in REST and Python), or join "
            "signals as the channels of one column"
        )
    (name,), given = lists, target.labels
    x = array_of(table.columns[name].take(given.rows), name, options.layout, limits.bytes)
    axes = layout_of(x.shape, options.layout)
    with regression_suggested(given.values, target.task):
        rows = _rows_of(table, target, options)
        ends = np.cumsum([len(indices) for indices in rows.parts.values()])
        examples = dict(zip(rows.parts, np.split(x, ends[:-1]), strict=True))
        read = (name, *target.columns, options.group, options.time)
        others = [one for one in table.columns if one not in read]
        left_out = [f"columns that are left out: {listed(others)}"] if others else []
        return of_examples(
            kind, examples, axes, rows.labels, rows.division,
            notes=[*table.notes, *left_out], warnings=given.warnings,
        )  # fmt: skip


def understand_text_column(kind: str, table: Table, options: ReadOptions) -> Intake:
    """What a table with a column of texts means; its other columns are not learned from.

    Raises InvalidDataset where there is no such column.
    """
    assert options.text is not None
    if options.categories:
        raise InvalidDataset(
            "found categories beside a text column, the only one that is learned from; expected "
            "one of both: leave the categories or the text column out"
        )
    table = in_parts(table, _named(options))
    target = target_in(table, options.target, options.task)
    _check_left_out(table, target, options)
    texts = np.array(texts_of(table, options.text, target.columns), object)
    given = target.labels
    with regression_suggested(given.values, target.task):
        rows = _rows_of(table, target, options)
        read = (options.text, *target.columns, options.group, options.time)
        others = [name for name in table.columns if name not in read]
        ignored = [f"columns that are not learned from: {listed(others)}"] if others else []
        by_part = {part: texts[given.rows[indices]] for part, indices in rows.parts.items()}
        return of_texts(
            kind, by_part, rows.labels, rows.division, column=options.text,
            notes=[*table.notes, *ignored], warnings=[*given.warnings, *rows.labels.warnings],
        )  # fmt: skip


def _named(options: ReadOptions) -> set[str | None]:
    """The columns that a person has given a use."""
    targets = [name.strip() for name in (options.target or "").split(",")]
    others = (options.text, options.group, options.time)
    return {options.target, *targets, *others, *options.leave_out}


def _check_left_out(table: Table, target: Target, options: ReadOptions) -> None:
    """Raise InvalidDataset for a column to leave out that there is not, or that has a use."""
    used = {*target.columns, *options.categories, options.text, options.group, options.time}
    check_left_out(options.leave_out, table.columns, used)


def _check_parts(parts: Mapping[str, NDArray[np.intp]], targets: tuple[str, ...]) -> None:
    """Raise InvalidDataset for a part without labels."""
    for part, rows in parts.items():
        if not len(rows):
            columns = shown(targets[0]) if len(targets) == 1 else listed(targets)
            raise InvalidDataset(
                f"no {part} row has a value in the target column {columns}; expected labels"
            )
