"""Tables as JSON Lines: one object a line, with a value for each column (jsonlines.org)."""

import pyarrow as pa
from pyarrow import json

from core.data import interruption
from core.data.files import Files, ReadLimits, SingleFile
from core.data.formats.abstract import FORMATS, AbstractFormat, ReadOptions
from core.data.formats.parquet import by_name
from core.data.image_names import have_images
from core.data.tables.dialect import is_json
from core.data.tables.joining import open_table, read_tables, table_names
from core.data.tables.table import MAX_ROWS, Table
from core.errors import InvalidDataset
from core.nesting import Nesting

_START = 4096  # bytes by which a file is recognised
_SUFFIXES = (".jsonl", ".ndjson")
_BLOCK = 2**20  # bytes that are parsed between two checks
_LONGEST = 2**24  # bytes of a line
_DEEPEST = 64  # levels of lists and objects: far below what ends Arrow's parser with the process
_TOO_LONG = "straddl"  # in Arrow's words for a line that is longer than a block


@FORMATS.register("jsonl")
class JsonLines(AbstractFormat):
    """A text file with an object in each line."""

    description = (
        "a JSON Lines file, one object a line, of which one name, the target, holds the labels; "
        "or a folder or zip of train.jsonl, test.jsonl and validation.jsonl"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        if not isinstance(files, SingleFile):
            return bool(_tables_in(files)) and not have_images(files.names)
        with files.open(files.names[0]) as stream:
            return is_json(stream.read(_START))

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> Table:
        names = list(files.names) if isinstance(files, SingleFile) else _tables_in(files)
        return read_tables(files, names, lambda name: read_one(files, name, limits), limits)


def _tables_in(files: Files) -> list[str]:
    return table_names(files, _SUFFIXES)


def read_one(files: Files, name: str, limits: ReadLimits) -> Table:
    """The table in one file."""
    with open_table(files, name, limits) as file:
        return _read(file)


def _read(file: SingleFile) -> Table:
    with file.reopened() as stream:
        if stream.read(_START).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            raise InvalidDataset(
                "the file is a JSON array; expected JSON Lines, one object a line, as pandas "
                'writes them with to_json(file, orient="records", lines=True)'
            )
    _check_depth(file)
    try:
        table = _parsed(file)
        table.validate(full=True)
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:160]
        raise InvalidDataset(
            f"the file is no readable JSON Lines: {reason!r}; expected one object a line, with "
            "values of one type under each name"
        ) from error
    if table.num_rows > MAX_ROWS:
        rows = f"{table.num_rows:,} rows"
        raise InvalidDataset(f"the table has {rows}; expected at most {MAX_ROWS:,}")
    return Table(by_name(table))


def _check_depth(file: SingleFile) -> None:
    """Raise InvalidDataset where a line nests deeply; a line that is too long is cut."""
    nesting, rest = Nesting(), b""
    with file.reopened() as stream:
        while block := stream.read(_BLOCK):
            interruption.check()
            lines, end, begun = block.rpartition(b"\n")
            if end or len(rest) > _LONGEST:
                _count(nesting, rest + lines)
                rest = begun if end else b""
            if not end:
                rest += block
    _count(nesting, rest)


def _count(nesting: Nesting, lines: bytes) -> None:
    nesting.read(lines)
    if nesting.deepest > _DEEPEST:
        raise InvalidDataset(
            f"a line nests lists and objects deeper than {_DEEPEST} levels; expected one object a "
            "line, of numbers, texts, truth values or lists of numbers"
        )


def _parsed(file: SingleFile) -> pa.Table:
    """The table, parsed in small blocks; in large ones where a line is longer than a small one."""
    try:
        return _parsed_in_blocks(file, _BLOCK)
    except pa.ArrowInvalid as error:
        if _TOO_LONG not in str(error):
            raise
    return _parsed_in_blocks(file, _LONGEST)


def _parsed_in_blocks(file: SingleFile, size: int) -> pa.Table:
    options = json.ReadOptions(use_threads=False, block_size=size)
    with file.reopened() as stream:
        return json.read_json(interruption.checked(stream), read_options=options)
