"""The hash of a large file, read in pieces between which the reader may be stopped."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHUNK = 2**20  # bytes


class FileHash:
    """The SHA-256 of a file; after a stop the reading goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, ...] = ()  # which file it was, and of which version
        self._hash: Any = None
        self._position = 0  # bytes

    def finish(self, on_chunk: Callable[[], None]) -> tuple[int, str]:
        """(size, hash) of the file, read to its end.

        `on_chunk` is called after each piece; what it raises ends the reading for now. A file that
        was changed meanwhile is read from its start.
        """
        with open(self._path, "rb") as file:
            self._begin(os.fstat(file.fileno()))
            file.seek(self._position)
            while chunk := file.read(_CHUNK):
                self._hash.update(chunk)
                self._position += len(chunk)
                on_chunk()
        return self._position, self._hash.hexdigest()

    def _begin(self, found: os.stat_result) -> None:
        version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if version != self._file:
            self._file, self._hash, self._position = version, hashlib.sha256(), 0
