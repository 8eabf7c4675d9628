"""Files packed by gzip, bzip2, xz or zstd are unpacked into a temporary file, within limits."""

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa

from core.data import interruption
from core.data.files import ReadLimits, SingleFile
from core.errors import InvalidDataset

_BLOCK = 2**20  # bytes
#: The first bytes of a packed file: the name of its format, and a reader of the plain bytes.
_PACKED: dict[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda file: _zstd(file)),
}
SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@contextmanager
def unpacked(file: BinaryIO, limits: ReadLimits) -> Iterator[BinaryIO]:
    """The file as it was before it was packed; itself where it is not.

    Raises InvalidDataset where it is damaged or unpacks to more than the limits allow.
    """
    file.seek(0)
    start = file.read(max(map(len, _PACKED)))
    file.seek(0)
    kind = next((found for magic, found in _PACKED.items() if start.startswith(magic)), None)
    if kind is None:
        yield file
        return
    name, opened = kind
    with tempfile.TemporaryFile() as plain:
        try:
            with opened(file) as source:
                _copy(source, plain, _most(file, limits))
        except _DAMAGED as error:
            raise InvalidDataset(f"the {name} file cannot be unpacked: {error}") from error
        plain.seek(0)
        yield plain


def without_suffix(name: str) -> str:
    """The name of a file before it was packed."""
    return next((name[: -len(one)] for one in SUFFIXES if name.lower().endswith(one)), name)


def _zstd(file: BinaryIO) -> Any:
    """A reader of the plain bytes; closing it leaves the file open."""
    return pa.CompressedInputStream(SingleFile(file).reopened(), "zstd")


def _most(file: BinaryIO, limits: ReadLimits) -> int:
    """The bytes to which a file may unpack: more than a fixed ratio only where they are few."""
    size = file.seek(0, 2)
    file.seek(0)
    return min(limits.bytes, max(limits.small, limits.ratio * size))


def _copy(source: BinaryIO, target: BinaryIO, most: int) -> None:
    size = 0
    while block := source.read(_BLOCK):
        interruption.check()
        if (size := size + len(block)) > most:
            raise InvalidDataset(f"the file unpacks to more than {most:,} bytes; expected fewer")
        target.write(block)
