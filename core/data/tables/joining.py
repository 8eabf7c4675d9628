"""Several files of one table: parts to train, to validate and to test on, or pieces of a part."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from core.data.compression import unpacked, without_suffix
from core.data.files import UNREADABLE, Files, ReadLimits, SingleFile, shown
from core.data.part_names import TRAIN, by_part
from core.data.tables.cells import shown as shown_text
from core.data.tables.dialect import listed
from core.data.tables.table import MAX_ROWS, Table
from core.errors import InvalidDataset

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")  # of tables


def read_tables(
    files: Files, names: Sequence[str], read: Callable[[str], Table], limits: ReadLimits
) -> Table:
    """The table in files of these names, each read by `read`.

    Raises InvalidDataset where the names do not say which part is which, and where the files have
    different columns, or more rows or bytes together than a table may have.
    """
    _check_others(files, names)
    parts = by_part(names)
    if parts is None:
        found = ", ".join(map(shown, sorted(names)[:5]))
        raise InvalidDataset(
            f"found {len(names)} tables ({found}); expected one, or their parts by name, as in "
            "train.csv, validation.csv and test.csv: rename or join them"
        )
    if TRAIN not in parts.values():
        found = ", ".join(sorted(set(parts.values())))
        raise InvalidDataset(
            f"found tables for {found} and none for train; expected train.csv beside them"
        )
    tables = read_each(list(parts), read, limits)
    if len(tables) == 1:
        return tables[names[0]]
    sizes: dict[str, int] = {}
    for name, part in parts.items():
        sizes[part] = sizes.get(part, 0) + len(tables[name])
    return joined(tables, sizes)


def table_names(files: Files, suffixes: Sequence[str] = SUFFIXES) -> list[str]:
    """The names of the files that are tables, by these suffixes."""
    return [one for one in files.names if without_suffix(one).lower().endswith(tuple(suffixes))]


@contextmanager
def open_table(files: Files, name: str, limits: ReadLimits) -> Iterator[SingleFile]:
    """The file of a table as it was before it was packed.

    Raises InvalidDataset where it is damaged or too large.
    """
    if (size := files.size(name)) > limits.tables:
        raise InvalidDataset(f"the table has {size} bytes; expected at most {limits.tables}")
    try:
        with files.open(name) as packed, unpacked(packed, limits) as plain:
            yield SingleFile(plain)
    except UNREADABLE as error:
        raise InvalidDataset(f"{shown(name)} cannot be unpacked: {error}") from error


def read_each(
    names: Sequence[str], read: Callable[[str], Table], limits: ReadLimits
) -> dict[str, Table]:
    """The tables by name, read until they are too large together: each may be packed by itself.

    Raises InvalidDataset for more rows or bytes than a table may have.
    """
    tables: dict[str, Table] = {}
    rows = size = 0
    for name in names:
        table = tables[name] = _read_one(name, read, is_only=len(names) == 1)
        rows += len(table)
        size += sum(column.nbytes for column in table.columns.values())
        if rows > MAX_ROWS:
            raise InvalidDataset(f"the tables have {rows:,} rows; expected at most {MAX_ROWS:,}")
        if size > limits.tables:
            raise InvalidDataset(
                f"the tables have {size:,} bytes together; expected at most {limits.tables:,}"
            )
    return tables


def _read_one(name: str, read: Callable[[str], Table], *, is_only: bool) -> Table:
    """The table in a file; of several, an InvalidDataset names it."""
    try:
        return read(name)
    except InvalidDataset as error:
        if is_only or shown(name) in str(error):
            raise
        raise InvalidDataset(f"{shown(name)}: {error}") from None


def _check_others(files: Files, names: Sequence[str]) -> None:
    """Raise InvalidDataset for tables of other formats beside those of these names."""
    if others := sorted(set(table_names(files)) - set(names)):
        raise InvalidDataset(
            f"found tables of several formats, {shown(names[0])} and {shown(others[0])}; expected "
            "one format for all: convert or remove the others"
        )


def joined(tables: dict[str, Table], parts: dict[str, int]) -> Table:
    """The rows of all files in one table; `parts` says how many each part has.

    Raises InvalidDataset where the files have different columns.
    """
    first_name, first = next(iter(tables.items()))
    for name, table in tables.items():
        _check_columns(first_name, first, name, table)
    columns = {}
    for column in first.columns:
        cells = {name: table.columns[column] for name, table in tables.items()}
        columns[column] = _one_column(column, cells)
    notes = dict.fromkeys(note for table in tables.values() for note in table.notes)
    return Table(columns, first.decimal_comma, tuple(notes), parts)


def _check_columns(first_name: str, first: Table, name: str, table: Table) -> None:
    """Raise InvalidDataset where two files do not have the same columns, written in one way."""
    for one, other, without in (
        (first.columns, table.columns, name), (table.columns, first.columns, first_name)
    ):  # fmt: skip
        if missing := [column for column in one if column not in other]:
            raise InvalidDataset(
                f"{shown(without)} has no column {listed(missing)}; expected the same columns in "
                "all files, the target among them: rows without labels are for predict.py"
            )
    if first.decimal_comma != table.decimal_comma:
        raise InvalidDataset(
            f"{shown(first_name)} and {shown(name)} have different separators of columns; expected "
            "the same: save them in the same way"
        )


def _one_column(column: str, cells: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """The cells of all files below each other."""
    try:
        tables = [pa.table({"cells": one}) for one in cells.values()]
        joined = pa.concat_tables(tables, promote_options="permissive")
        return joined.column(0).unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kinds = dict.fromkeys(str(one.type) for one in cells.values())
        raise InvalidDataset(
            f"column {shown_text(column)} is of type {' and '.join(kinds)} in different files; "
            "expected one type in all"
        ) from None
