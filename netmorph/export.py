"""Downloads and unpacks an export: all of it or nothing, and nothing outside its folder."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from netmorph.client import Client
from netmorph.errors import ClientError, InvalidExport

_MAX_FILES = 1_000
_MAX_BYTES = 16 * 2**30
_MARKS = ("model.json", "preprocess.json")  # files that every export has


def require_writable(folder: Path) -> None:
    """Raise ClientError where an export cannot be put into `folder`; it may replace another."""
    if folder.exists() and not _is_replaceable(folder):
        raise ClientError(f"{folder} holds something else than an export; name another folder")
    parent = next(path for path in folder.absolute().parents if path.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise ClientError(f"{parent} cannot be written: {error.strerror}") from None


def download(client: Client, search_id: str, folder: Path) -> None:
    """Put the exported network of a search into `folder`, in place of an earlier one."""
    with tempfile.TemporaryDirectory(prefix="netmorph-") as scratch:
        archive = Path(scratch) / "export.zip"
        client.download_export(search_id, archive)
        unpack(archive, folder)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an export into `folder`, in place of an earlier one."""
    require_writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _extract(archive, scratch)
        scratch.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or all((folder / mark).is_file() for mark in _MARKS)


def _extract(archive: Path, scratch: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            _check(members)
            for member in members:
                target = scratch / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, FileExistsError) as error:
        raise InvalidExport(f"the export is damaged: {error}") from None


def _check(members: list[zipfile.ZipInfo]) -> None:
    """Raise InvalidExport for what an export never holds; zipfile bounds each by its size."""
    if len(members) > _MAX_FILES or sum(member.file_size for member in members) > _MAX_BYTES:
        raise InvalidExport(f"an export has at most {_MAX_FILES} files and {_MAX_BYTES} bytes")
    for member in members:
        path = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename
        if outside or kind not in (0, stat.S_IFREG):
            raise InvalidExport(f"the export holds {member.filename!r}, which is no file inside it")
