"""Tables as lines of JSON: an object with the names of the columns in each line."""

import io
from typing import Any

import pyarrow as pa
from pyarrow import json

from core.data.files import UNREADABLE, Files, ReadLimits, SingleFile, shown
from core.data.formats.abstract import FORMATS, AbstractFormat, ReadOptions
from core.data.tables.dialect import names_of
from core.data.tables.table import MAX_COLUMNS, MAX_ROWS, Table
from core.errors import InvalidDataset

_START = 64  # bytes by which a line of JSON is recognised
_LINE = 2**26  # bytes of the longest line, at most


@FORMATS.register("jsonl")
class JsonLines(AbstractFormat):
    """A file of JSON objects, one in each line."""

    description = "a JSONL file, an object of numbers, texts and truth values in each line"

    @classmethod
    def recognises(cls, files: Files) -> bool:
        if not isinstance(files, SingleFile):
            return len(files.names) == 1 and files.names[0].lower().endswith(".jsonl")
        with files.open(files.names[0]) as stream:
            start = stream.read(_START).removeprefix(b"\xef\xbb\xbf").lstrip()
        return start.startswith(b"{") and start[1:].lstrip().startswith((b'"', b"}"))

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> Table:
        (name,) = files.names
        if (size := files.size(name)) > limits.bytes:
            raise InvalidDataset(f"the table has {size} bytes; expected at most {limits.bytes}")
        try:
            with files.open(name) as stream:
                table = json.read_json(_without_mark(stream), _options(size))
        except (pa.ArrowException, *UNREADABLE) as error:
            reason = " ".join(str(error).split())[:160]
            raise InvalidDataset(
                f"{shown(name)} is not readable as JSONL: {reason!r}; expected one object in each "
                "line, with values of the same type under each name"
            ) from error
        return _checked(table, limits)


def _without_mark(stream: Any) -> io.BufferedReader:
    """The stream behind the byte order mark, if it begins with one."""
    if stream.read(3) != b"\xef\xbb\xbf":
        stream.seek(0)
    found: io.BufferedReader = stream
    return found


def _options(size: int) -> json.ReadOptions:
    return json.ReadOptions(use_threads=False, block_size=max(1, min(size + 1, _LINE)))


def _checked(table: pa.Table, limits: ReadLimits) -> Table:
    """The table, if it is not too large."""
    if table.num_columns > MAX_COLUMNS or table.num_rows > MAX_ROWS or table.nbytes > limits.bytes:
        raise InvalidDataset(
            f"the table has {table.num_rows:,} rows and {table.num_columns:,} columns, "
            f"{table.nbytes:,} bytes; expected at most {MAX_ROWS:,}, {MAX_COLUMNS:,} and "
            f"{limits.bytes:,}"
        )
    names = names_of(table.column_names)
    return Table({name: table.column(index) for index, name in enumerate(names)})
