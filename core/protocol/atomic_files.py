"""Files of a folder that appear under their names in full or not at all, also after a crash.

A file is written under a temporary name, flushed to disk, then renamed.
"""

import io
import os
import secrets
from pathlib import Path
from typing import BinaryIO

_CHUNK = 2**20  # bytes


def write(path: Path, data: bytes | BinaryIO) -> None:
    """Write a file so that any reader, also after a crash, sees all of it or none."""
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # Not mkstemp, whose files other accounts (API and worker containers) could not read.
        with open(temporary, "xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def place(path: Path, source: Path) -> None:
    """Give a file a further name where the file system can; else write a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(source, "rb") as file:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            write(path, file)
            return
        try:
            os.utime(temporary)  # it is stored now, whenever it was written
            os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)  # replacing a name of the same file leaves both
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make a rename inside the folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
