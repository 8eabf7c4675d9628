"""A download that goes on where it broke off, in this process or in another one."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_CHUNK = 2**20  # bytes
_PAUSE = 0.1  # seconds between two looks at a lock


def beside(path: Path) -> Path:
    """The file with what has arrived so far of the file `path`."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """The file with what has arrived of `path`, for this caller alone; others wait.

    `on_wait` is called while it waits; what it raises ends the waiting. The file is kept at an
    error. One that another caller has renamed meanwhile is opened again.
    """
    partial = beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(partial, "a+b") as file:
            while not _is_locked(file):
                on_wait()
                time.sleep(_PAUSE)
            if partial.exists() and os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                yield file
                return


def _is_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def append_rest(
    file: BinaryIO, source: BinaryIO, size: int, on_chunk: Callable[[], None] = lambda: None
) -> int:
    """Append what a file of `size` bytes lacks from its source; return the bytes it had before.

    `on_chunk` is called after each piece. What it raises, or the source, leaves what has arrived.
    A file that is larger than its source is begun again.
    """
    had = file.seek(0, os.SEEK_END)
    if had > size:
        file.truncate(0)
        had = 0
    if had < size:  # nothing is requested from the end of an object on
        source.seek(had)
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            file.flush()
            on_chunk()
    os.fsync(file.fileno())
    return had
