"""Record batches of an Arrow stream from a stranger, message by message.

Compressed batches are refused, as they may unpack to any size, and so are dictionaries. What is
left takes no more memory than the file has bytes.
"""

import struct
from typing import BinaryIO

import pyarrow as pa

from core.data import interruption
from core.data.files import UNREADABLE, shown
from core.errors import InvalidDataset

_HEADER, _COMPRESSION = 2, 3  # fields of the tables Message and RecordBatch (Arrow's Message.fbs)


def read_stream(stream: BinaryIO, name: str) -> pa.Table:
    """The table in a stream; raises InvalidDataset where it cannot be read."""
    try:
        schema = pa.ipc.read_schema(pa.ipc.read_message(stream))
        batches: list[pa.RecordBatch] = []
        while (message := _next(stream)) is not None:
            interruption.check()
            if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
                raise InvalidDataset(
                    f"{shown(name)} has compressed or dictionary-encoded data; expected plain "
                    "Arrow data, as datasets writes it with save_to_disk"
                )
            batches.append(pa.ipc.read_record_batch(message, schema))
            batches[-1].validate(full=True)
    except (pa.ArrowException, struct.error, *UNREADABLE) as error:
        reason = " ".join(str(error).split())[:120]
        raise InvalidDataset(f"{shown(name)} is no readable Arrow stream: {reason!r}") from error
    return pa.Table.from_batches(batches, schema)


def _next(stream: BinaryIO) -> pa.Message | None:
    try:
        return pa.ipc.read_message(stream)
    except EOFError:
        return None


def _is_compressed(metadata: bytes) -> bool:
    """Whether the flatbuffer of a record batch names a compression."""
    (root,) = struct.unpack_from("<I", metadata)
    header = _field(metadata, root, _HEADER)
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + offset, _COMPRESSION) != 0


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table is; 0 where it is absent."""
    (back,) = struct.unpack_from("<i", metadata, table)
    entry = table - back + 4 + 2 * number
    (size,) = struct.unpack_from("<H", metadata, table - back)
    if 4 + 2 * number >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, entry)
    return table + offset if offset else 0
