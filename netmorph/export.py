"""Downloads and unpacks an export in one step, and writes nothing outside its folder."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from netmorph.client import Client
from netmorph.errors import ClientError, InvalidExport

_MAX_FILES = 1_000
_MAX_BYTES = 16 * 2**30
_ALWAYS_THERE = ("model.json", "preprocess.json")  # files in every export


def require_writable(folder: Path) -> None:
    """Raise ClientError if an export cannot be written to `folder`; it may replace another one."""
    if folder.exists() and not _is_replaceable(folder):
        raise ClientError(f"{folder} exists and is not an export; choose another folder")
    parent = next(path for path in folder.absolute().parents if path.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise ClientError(
            f"{parent} cannot be written: {error.strerror}; choose another folder for the export"
        ) from None


def download(client: Client, search_id: str, folder: Path) -> None:
    """Download the exported network of a search into `folder`; it replaces an earlier export.

    Raises:
        ClientError: `folder` cannot be written, or the search has no export.
        InvalidExport: the archive is damaged; `folder` is as before.
    """
    _download(partial(client.download_export, search_id), folder)


def download_trial(client: Client, trial_id: str, folder: Path) -> None:
    """Download the exported network of a trial into `folder`, as `download` that of a search."""
    _download(partial(client.download_trial_export, trial_id), folder)


def _download(fetch: Callable[[Path], None], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="netmorph-") as scratch:
        archive = Path(scratch) / "export.zip"
        fetch(archive)
        unpack(archive, folder)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an export into `folder`; it replaces an earlier export. Raises as `download` does."""
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
    return not any(folder.iterdir()) or all((folder / name).is_file() for name in _ALWAYS_THERE)


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
        raise InvalidExport(f"the export is damaged: {error}; download it again") from None


def _check(members: list[zipfile.ZipInfo]) -> None:
    """Raise InvalidExport for entries that no export has; zipfile enforces each entry's size."""
    if len(members) > _MAX_FILES or sum(member.file_size for member in members) > _MAX_BYTES:
        raise InvalidExport(
            f"the export is too large: expected at most {_MAX_FILES} files and {_MAX_BYTES} bytes"
        )
    for member in members:
        path = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename
        if outside or kind not in (0, stat.S_IFREG):
            raise InvalidExport(
                f"the export has the entry {member.filename!r}; expected files inside its folder"
            )
