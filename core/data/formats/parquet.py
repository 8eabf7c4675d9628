"""Tables as Parquet files, whose columns have types."""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

from core.data import interruption
from core.data.files import UNREADABLE, Files, ReadLimits, SingleFile
from core.data.formats.abstract import FORMATS, AbstractFormat, ReadOptions
from core.data.image_names import have_images
from core.data.part_names import TRAIN, part_of
from core.data.tables.dialect import listed, names_of
from core.data.tables.joining import joined, read_each, read_tables
from core.data.tables.table import MAX_COLUMNS, MAX_ROWS, Table
from core.errors import InvalidDataset

_MAGIC = b"PAR1"
_PARTITION = re.compile(r"([^=]+)=.*")
_TOO_LARGE = "the table unpacks to {:,} bytes; expected at most {:,}: leave out columns or rows"
_TEXTS = pa.dictionary(pa.int32(), pa.string())
_FOOTER = 2**24  # largest description of the columns, in bytes


@FORMATS.register("parquet")
class Parquet(AbstractFormat):
    """A Parquet file."""

    description = (
        "a Parquet file of numbers, texts, truth values and dates, or of lists of numbers, with a "
        "column of labels; or a "
        "folder or zip of its parts, as in train-0.parquet, train-1.parquet and test.parquet"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        if not isinstance(files, SingleFile):
            are_images = have_images(files.names)
            return any(map(_is_part, files.names)) and not are_images
        with files.open(files.names[0]) as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> Table:
        if isinstance(files, SingleFile):
            return read_one(files, files.names[0], limits)
        names = [name for name in files.names if _is_part(name)]
        if all(part_of(name) is None for name in names):  # pieces, as clusters write them
            tables = read_each(sorted(names), lambda name: read_one(files, name, limits), limits)
            table = joined(tables, {TRAIN: sum(map(len, tables.values()))})
            return replace(table, notes=(*table.notes, *_about_partitions(names)))
        return read_tables(files, names, lambda name: read_one(files, name, limits), limits)


def _about_partitions(names: Iterable[str]) -> list[str]:
    """A note where folders have the values of a column, as in year=2024/part-0.parquet."""
    folders = (folder for name in names for folder in name.split("/")[:-1])
    columns = sorted({found[1] for one in folders if (found := _PARTITION.fullmatch(one))})
    if not columns:
        return []
    return [
        f"the names of folders have values of {listed(columns)}, which are not read: write them as "
        "columns if they are of use"
    ]


def _is_part(name: str) -> bool:
    return name.lower().endswith(".parquet")


def read_one(files: Files, name: str, limits: ReadLimits) -> Table:
    """The table in one file."""
    try:
        with files.open(name) as stream:
            _check_footer(stream)
            table = _read(interruption.checked(stream), limits)
            declared = _declared_categories(parquet.read_metadata(stream).metadata or {})
    except (pa.ArrowException, *UNREADABLE) as error:
        reason = " ".join(str(error).split())[:120]
        raise InvalidDataset(f"the file is not a readable Parquet file: {reason!r}") from error
    for index, field in enumerate(table.schema):
        if field.name in declared and _is_number(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    return Table(by_name(table))


def _declared_categories(metadata: Mapping[bytes, bytes]) -> set[str]:
    """The columns that were written as categories; Arrow gives those of numbers as numbers."""
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(metadata.get(b"ARROW:schema", b""))))
    except (pa.ArrowException, ValueError):  # written by another program
        return set()
    return {field.name for field in schema if pa.types.is_dictionary(field.type)}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _read(stream: BinaryIO, limits: ReadLimits) -> pa.Table:
    """The table; texts as dictionaries, as a repeated text would unpack to any size."""
    schema = parquet.read_schema(stream)
    texts = [field.name for field in schema if _is_text(field.type) or _is_bytes(field.type)]
    file = parquet.ParquetFile(
        stream, read_dictionary=texts, thrift_container_size_limit=_FOOTER // 8
    )
    _check_size(file, limits)
    groups: list[pa.Table] = []
    size = 0
    for number in range(file.num_row_groups):
        interruption.check()
        groups.append(file.read_row_group(number, use_threads=False))
        groups[-1].validate(full=True)  # a damaged file has indices without a text
        if (size := size + groups[-1].nbytes) > limits.tables:
            raise InvalidDataset(_TOO_LARGE.format(size, limits.tables))
    return pa.concat_tables(groups) if groups else schema.empty_table()


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _check_footer(stream: BinaryIO) -> None:
    """Raise InvalidDataset for a footer that is larger than the file or any real one."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 8))
    claimed = int.from_bytes(stream.read(4), "little")
    stream.seek(0)
    if claimed > min(size, _FOOTER):
        raise InvalidDataset(
            f"the Parquet file claims a footer of {claimed} bytes; expected at most "
            f"{min(size, _FOOTER)}: the file is damaged"
        )


def _check_size(file: parquet.ParquetFile, limits: ReadLimits) -> None:
    """Raise InvalidDataset for a table that would take too much memory."""
    facts = file.metadata
    if facts.num_columns > MAX_COLUMNS or facts.num_rows > MAX_ROWS:
        raise InvalidDataset(
            f"the table has {facts.num_rows:,} rows and {facts.num_columns:,} columns; expected at "
            f"most {MAX_ROWS:,} and {MAX_COLUMNS:,}"
        )
    size = sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups))
    cells = 8 * facts.num_rows * facts.num_columns
    if max(size, cells) > limits.tables:
        raise InvalidDataset(_TOO_LARGE.format(max(size, cells), limits.tables))


def by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The columns of a table by their names, texts as categories."""
    columns: dict[str, pa.ChunkedArray] = {}
    for index, name in enumerate(names_of(table.column_names)):
        interruption.check()
        columns[name] = as_categories(table.column(index))
    return columns


def as_categories(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column; texts as categories, as the file has a type for numbers and dates.

    Bytes in UTF-8 are texts: some programs write them without saying so.
    """
    is_dictionary = pa.types.is_dictionary(column.type)
    if _is_bytes(column.type.value_type if is_dictionary else column.type):
        try:
            column = column.cast(_TEXTS if is_dictionary else pa.string())
        except pa.ArrowInvalid:
            return column  # other bytes are no texts
    return column.dictionary_encode() if _is_text(column.type) else column
