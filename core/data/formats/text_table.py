"""Tables as text: a row of names, then rows of values, separated by commas, tabs or the like.

An archive holds one, or parts by name: `train.csv`, `validation.csv`, `test.csv`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
from pyarrow import csv

from core.data import interruption
from core.data.compression import without_suffix
from core.data.files import Files, ReadLimits, SingleFile, shown
from core.data.formats.abstract import FORMATS, AbstractFormat, ReadOptions
from core.data.image_names import have_images
from core.data.tables.dialect import Dialect, Open, dialect_of, is_json, is_text
from core.data.tables.joining import open_table, read_tables
from core.data.tables.table import MAX_ROWS, Table
from core.errors import InvalidDataset

_START = 4096  # bytes by which text is recognised
_SUFFIXES = (".csv", ".tsv")


@FORMATS.register("csv")
class TextTable(AbstractFormat):
    """A text file with separated columns, alone or in a zip file."""

    description = (
        "a CSV or TSV file with the names of its columns in the first row, of which one, the "
        "target, holds the labels; or a folder or zip of train.csv, test.csv and validation.csv"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        if not isinstance(files, SingleFile):
            return bool(_tables_in(files)) and not have_images(files.names)
        with files.open(files.names[0]) as stream:
            start = stream.read(_START)
        return is_text(start) and not is_json(start)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> Table:
        return read_tables(
            files, _tables_in(files), lambda name: read_one(files, name, limits), limits
        )


def _tables_in(files: Files) -> list[str]:
    """The tables among the files; a text file beside others may be about them."""
    if isinstance(files, SingleFile):
        return list(files.names)
    plain = {name: without_suffix(name).lower() for name in files.names}
    found = [name for name in plain if plain[name].endswith(_SUFFIXES)]
    return found or [name for name in plain if len(plain) == 1 and plain[name].endswith(".txt")]


def read_one(files: Files, name: str, limits: ReadLimits) -> Table:
    """The table in one file."""
    with open_table(files, name, limits) as file:
        return _read(file.reopened, limits)


def _read(open_file: Open, limits: ReadLimits) -> Table:
    dialect = dialect_of(open_file)
    bad: list[csv.InvalidRow] = []

    def refuse(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "error"

    try:
        with open_file() as stream:
            columns = _columns(csv.open_csv(stream, **_options(dialect, refuse)), dialect, limits)
    except pa.ArrowInvalid as error:
        raise InvalidDataset(_unreadable(dialect, bad, error)) from None
    return Table(columns, dialect.separator != ",", dialect.notes)


def _options(dialect: Dialect, refuse: Callable[[csv.InvalidRow], str]) -> dict[str, Any]:
    """Options with which every cell is read as text, and the row of names as the first row."""
    return {
        "read_options": csv.ReadOptions(
            column_names=dialect.names,
            encoding=dialect.encoding,
            use_threads=False,
            skip_rows=int(dialect.says_separator),
        ),
        "parse_options": csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=refuse
        ),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(dialect.names, pa.string()), strings_can_be_null=False
        ),
    }


def _columns(
    batches: Iterable[pa.RecordBatch], dialect: Dialect, limits: ReadLimits
) -> dict[str, pa.ChunkedArray]:
    """The cells of each column, without the row of names."""
    kept: list[pa.RecordBatch] = []
    rows, size = -1, 0
    for batch in batches:
        interruption.check()
        kept.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > MAX_ROWS or size > limits.tables:
            raise InvalidDataset(
                f"the table has more than {MAX_ROWS:,} rows or {limits.tables:,} bytes; expected a "
                "smaller one: leave out rows"
            )
    if rows < 1:
        raise InvalidDataset(
            "the table has a row of names and no rows of values; expected some of each class"
        )
    table = pa.Table.from_batches(kept).slice(1)
    return {name: table.column(index) for index, name in enumerate(dialect.names)}


def _unreadable(dialect: Dialect, bad: list[csv.InvalidRow], error: pa.ArrowInvalid) -> str:
    if bad:
        row = bad[0]
        if '"' in row.text and "\n" in row.text.strip():
            reason = "a double quote in it may never be closed"
        elif row.actual_columns == 1:
            reason = "if it is a title, a note or an empty row, remove it"
        elif re.search(rf'{re.escape(dialect.separator)} +"', row.text):
            reason = "a blank stands before a double quote, which opens a cell only at its start"
        else:
            reason = (
                f"separated by {dialect.in_words} (a cell that holds one stands in double quotes)"
            )
        return (
            f"row {row.number} has {row.actual_columns} cells; expected {row.expected_columns}, as "
            f"in the row of names: {reason}. It begins with {shown(row.text[:60])}"
        )
    reason = " ".join(str(error).split())
    return (
        f"the table cannot be read: {shown(reason)}; expected rows of the same number of cells; "
        "is a double quote never closed?"
    )
