"""The files of a data set as they were uploaded: the entries of a zip or tar archive, or one file.

Every size is checked before memory is allocated. Names of entries are labels: none becomes a path.
"""

import io
import mmap
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from core.data import interruption, scratch
from core.errors import InvalidDataset

_DIRECTORY = 2**23  # largest directory of a zip file, in bytes; read at once
_LOCAL_HEADER = 30  # bytes before the name of an entry of a zip file
_STEPS = 20  # of a long reading that are told
_FEW = 100  # files that are read at once
_UNPACKED = 4  # times its size that an upload may unpack to
UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError)
_NO_DIRECTORY = "File is not a zip file"  # of Python, where the end with the directory is missing
_TAR_MARK = slice(257, 262)  # of the bytes of a tar file, POSIX and GNU
_IGNORED_FOLDERS = frozenset({"__MACOSX"})
_IGNORED_FILES = frozenset({"thumbs.db", "desktop.ini"})

#: Is called with how far a reading is, in words.
OnStep = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on the sizes that an uploaded file may claim."""

    bytes: int = 2 * 2**30  # of all files together, unpacked
    table_bytes: int = 2 * 2**30  # of tables and texts, which are read into memory
    ratio: int = 200  # unpacked to packed; long runs of equal labels and masks exceed it, too:
    small: int = 2**28  # bytes that the files beyond the ratio may unpack to, together
    files: int = 120_000  # entries of an archive
    arrays: int = 32
    header: int = 10_000  # bytes of one array's header
    image_pixels: int = 2**25  # of one image
    pixels: int = 2**34  # of all images together, as they are before they are made smaller

    @property
    def tables(self) -> int:
        """The bytes of all tables together."""
        return min(self.bytes, self.table_bytes)

    @classmethod
    def of_uploads(cls, most: int) -> "ReadLimits":
        """The limits where a file that is uploaded may have up to `most` bytes."""
        return cls(bytes=max(cls().bytes, _UNPACKED * most))


class Files(ABC):
    """Named files, of which one at a time can be open."""

    on_step: OnStep | None = None

    def counted(self, items: Sequence[T], verb: str, noun: str = "images") -> Iterator[T]:
        """The items; now and then `on_step` is told how many of them are read."""
        step = max(_FEW, -(-len(items) // _STEPS))
        for number, item in enumerate(items):
            interruption.check()
            if number and number % step == 0 and self.on_step is not None:
                self.on_step(f"{verb} {number:,} of {len(items):,} {noun}")
            yield item

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The names of the files; hidden files and those of file managers are left out."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The size of a file in bytes, unpacked, as its archive claims."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file to read it; its real size is not checked."""

    def mapped(self, name: str) -> NDArray[np.uint8] | None:
        """The bytes of a file as a part of the upload, which cannot be written.

        None where they are few, packed, or not in a file on the disk: open it. Raises BadZipFile
        where they are damaged.
        """
        return None


class SingleFile(Files):
    """A file that is no archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def names(self) -> Sequence[str]:
        """One name, the same for all files, as names say nothing about contents."""
        return ("file",)

    def size(self, name: str) -> int:
        """The size of the file in bytes."""
        return self._file.seek(0, 2)

    def open(self, name: str) -> BinaryIO:
        """The file from its start; closing it leaves the upload open."""
        return self.reopened()

    def reopened(self) -> BinaryIO:
        """The file from its start."""
        self._file.seek(0)
        return io.BufferedReader(_View(self._file))


class _View(io.RawIOBase):
    """A file to read that can be closed by itself."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class ZipFiles(Files):
    """The entries of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile, file: BinaryIO, limits: ReadLimits) -> None:
        self._archive, self._file = archive, file
        _write_slashes(archive.infolist())
        entries = [one for one in archive.infolist() if not _is_ignored(one)]
        _check_entries(entries, limits)
        self._entries = {entry.filename: entry for entry in entries}

    @property
    def names(self) -> Sequence[str]:
        """The names of the entries with their folders."""
        return tuple(self._entries)

    def size(self, name: str) -> int:
        """The size that the archive's directory claims."""
        return self._entries[name].file_size

    def open(self, name: str) -> BinaryIO:
        """The unpacked bytes of an entry."""
        return cast(BinaryIO, self._archive.open(self._entries[name]))

    def mapped(self, name: str) -> NDArray[np.uint8] | None:
        """The bytes of a large entry that is not packed, its checksum checked."""
        entry = self._entries[name]
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size <= scratch.SMALL:
            return None
        if (upload := _mapped(self._file)) is None:
            return None
        start = entry.header_offset + _local_header(upload[entry.header_offset :])
        found = upload[start : start + entry.file_size]
        checksum = 0
        for block in scratch.blocks(found):
            checksum = zlib.crc32(found[block].data, checksum)
        if len(found) != entry.file_size or checksum != entry.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {shown(name)}")
        return found


def _mapped(file: BinaryIO) -> NDArray[np.uint8] | None:
    """The bytes of a file on the disk; None for others."""
    try:
        file.flush()
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except (AttributeError, OSError, ValueError):
        return None


def _local_header(start: NDArray[np.uint8]) -> int:
    """The size of the header before the bytes of an entry, by its first bytes."""
    fixed = start[:_LOCAL_HEADER].tobytes()
    return _LOCAL_HEADER + sum(int.from_bytes(fixed[at : at + 2], "little") for at in (26, 28))


class TarFiles(Files):
    """The plain files of a tar archive, which is not packed."""

    def __init__(self, archive: tarfile.TarFile, limits: ReadLimits) -> None:
        self._archive = archive
        self._entries: dict[str, tarfile.TarInfo] = {}
        size = 0
        for entry in archive:
            name = entry.name.removeprefix("./")
            if not entry.isreg() or entry.issparse() or _is_hidden(name):
                continue
            size += entry.size
            _check_sum(len(self._entries) + 1, size, limits)
            if name in self._entries:
                raise InvalidDataset(f"found {shown(name)} twice; expected it once")
            self._entries[name] = entry

    @property
    def names(self) -> Sequence[str]:
        """The names of the entries with their folders."""
        return tuple(self._entries)

    def size(self, name: str) -> int:
        """The size that the entry's header claims."""
        return self._entries[name].size

    def open(self, name: str) -> BinaryIO:
        """The bytes of an entry."""
        return cast(BinaryIO, self._archive.extractfile(self._entries[name]))


def open_files(file: BinaryIO, limits: ReadLimits) -> Files:
    """The files in an upload; raises InvalidDataset where an archive is damaged or too large."""
    file.seek(0)
    start = file.read(_TAR_MARK.stop)
    file.seek(0)
    if start[_TAR_MARK] == b"ustar":
        try:
            return TarFiles(tarfile.TarFile(fileobj=file, encoding="utf-8"), limits)
        except (tarfile.TarError, *UNREADABLE) as error:
            raise InvalidDataset(f"the file is not a readable tar file: {error}") from error
    if start[:2] != b"PK":
        return SingleFile(file)
    try:
        zipfile.ZipFile(_LimitedReads(file)).close()  # fails for a huge directory
        return ZipFiles(zipfile.ZipFile(file), file, limits)
    except UNREADABLE as error:
        cut = "; if it was cut off, send or pack it again" * (str(error) == _NO_DIRECTORY)
        raise InvalidDataset(f"the file is not a readable npz or zip file: {error}{cut}") from error


class _LimitedReads:
    """A file that refuses to return many bytes at once, as a huge zip directory is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has {size} bytes, expected {_DIRECTORY}")
        return self._file.read(size if size >= 0 else _DIRECTORY)


def _write_slashes(entries: list[zipfile.ZipInfo]) -> None:
    """Write slashes between folders where an archive has backslashes alone, as some of Windows."""
    if not any("/" in entry.filename for entry in entries):
        for entry in entries:
            entry.filename = entry.filename.replace("\\", "/")


def _is_ignored(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder, or a file that people do not know about."""
    return entry.filename.endswith("/") or _is_hidden(entry.filename)


def _is_hidden(path: str) -> bool:
    *folders, name = path.split("/")
    if name.startswith(".") or name.lower() in _IGNORED_FILES:
        return True
    return any(
        folder in _IGNORED_FOLDERS or (folder.startswith(".") and folder not in (".", ".."))
        for folder in folders
    )


def _check_entries(entries: list[zipfile.ZipInfo], limits: ReadLimits) -> None:
    """Raise InvalidDataset for archives that would take too much memory or cannot be read."""
    _check_sum(len(entries), sum(entry.file_size for entry in entries), limits)
    seen: set[str] = set()
    for entry in entries:
        if entry.filename in seen:
            raise InvalidDataset(f"found {shown(entry.filename)} twice; expected it once")
        seen.add(entry.filename)
        is_plain = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not is_plain or entry.flag_bits & 1:
            raise InvalidDataset(
                f"{shown(entry.filename)} is encrypted or packed in an unknown way; "
                "expected a plain zip or npz file"
            )
    _check_ratio(entries, limits)


def _check_sum(files: int, size: int, limits: ReadLimits) -> None:
    if files > limits.files:
        raise InvalidDataset(f"found {files} files; expected at most {limits.files}")
    if size > limits.bytes:
        raise InvalidDataset(f"the files unpack to {size} bytes; expected at most {limits.bytes}")


def _check_ratio(entries: list[zipfile.ZipInfo], limits: ReadLimits) -> None:
    """Raise InvalidDataset where few bytes unpack to very many."""
    dense = [one for one in entries if one.file_size > limits.ratio * max(one.compress_size, 1)]
    if sum(entry.file_size for entry in dense) <= limits.small:
        return
    worst = max(dense, key=lambda entry: entry.file_size)
    raise InvalidDataset(
        f"{shown(worst.filename)} claims to unpack {worst.compress_size} bytes to "
        f"{worst.file_size}; expected a ratio of at most {limits.ratio} in files this large: "
        "save them without compression, as by numpy.savez"
    )


def without_top_folder(names: Sequence[str]) -> dict[str, str]:
    """The full names by their names without the one folder that holds all files, if any."""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    if len(tops) != 1 or not all("/" in name for name in names) or tops & {"", ".", ".."}:
        return {name: name for name in names}
    return {name.partition("/")[2]: name for name in names}


def shown(name: str) -> str:
    """The name of a file for messages: quoted, short, without control characters."""
    return repr(name if len(name) <= 80 else f"{name[:79]}…")
