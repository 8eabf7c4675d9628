"""Lets a caller end the reading of a data set between two of its pieces.

The check belongs to the context of a thread, so that the formats need not pass it on to each other.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, BinaryIO, cast

#: Is called between two pieces; what it raises ends the reading.
Check = Callable[[], None]

_check: ContextVar[Check | None] = ContextVar("check", default=None)


@contextmanager
def checked_by(found: Check) -> Iterator[None]:
    """Call a check between the pieces of all that is read in this block."""
    token = _check.set(found)
    try:
        yield
    finally:
        _check.reset(token)


def check() -> None:
    """Call the check of the caller, if it has one: a reading does so after each piece."""
    if (found := _check.get()) is not None:
        found()


def checked(file: BinaryIO) -> BinaryIO:
    """The file, with a check before each of its reads: for readers that take a whole file at once.

    The check is that of the present context, also where such a reader reads in another thread.
    """
    if (found := _check.get()) is None:
        return file
    return cast(BinaryIO, _Checked(file, found))


class _Checked(io.RawIOBase):
    """A file to read that calls a check before each read; closing it leaves the file open."""

    def __init__(self, file: BinaryIO, found: Check) -> None:
        self._file, self._check_read = file, found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: Any) -> int:
        self._check_read()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
