"""Files and folders of people as one file to upload, with a name that can be shown and sent.

A folder becomes a zip file of its images and arrays, unpacked: they are compressed already. What
they hold is understood by the service, or by `python -m core.data` in a process of its own.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netmorph.errors import ClientError

_LONGEST = 128  # characters of the name of a data set
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy", ".npz", ".gif", ".tif",
                       ".tiff", ".heic", ".avif", ".ppm", ".pgm"})  # fmt: skip
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})
_IDX = re.compile(r".*idx\d[-_.]?(ubyte)?(\.gz)?", re.IGNORECASE)
_FILE = re.compile(
    r".*\.(npz|npy|zip|gz|tgz|tar|csv|tsv|parquet|jsonl|h5|pkl|pt|mat)", re.IGNORECASE
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # categories of Unicode
_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest of a zip entry: equal files, equal bytes


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says about a data set beside its files."""

    layout: str | None = None  # of the axes: "NCL"
    image_side: int | None = None  # largest side of images from files, in pixels
    target: str | None = None  # the column of a table that holds the labels
    text: str | None = None  # the column of a table that holds texts
    categories: tuple[str, ...] = ()  # columns that are categories, though they look like numbers
    task: str | None = None  # what the labels are for: "image-classification", "regression"

    def fields(self) -> dict[str, list[str]]:
        """The fields of the upload's form, each with its values."""
        names = ("layout", "image_side", "target", "text", "task")
        given = {name: [str(v)] for name in names if (v := getattr(self, name)) is not None}
        return given | ({"category": [*self.categories]} if self.categories else {})


def path_in(text: str) -> Path | None:
    """The file or folder that a `--dataset` names; None where it is a name or an id.

    Raises ClientError for a path that does not exist.
    """
    path = Path(text).expanduser()
    if path.exists():
        return path
    if "/" in text or os.sep in text or _FILE.fullmatch(text):
        raise ClientError(
            f"there is no file or folder {shown(path)}; expected a table, an npz or zip file, a "
            "folder of images by class, or the name or id of a data set"
        )
    return None


def label_of(path: Path) -> str:
    """A name for the data set in a file or folder: readable, of at most 128 characters."""
    resolved = path if path.name not in ("", "..") else path.resolve()
    stem = resolved.name if path.is_dir() else resolved.stem
    readable = "".join("�" if unicodedata.category(c) in _INVISIBLE else c for c in stem)
    name = " ".join(unicodedata.normalize("NFC", readable).split()) or "data"
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def shown(path: Path) -> str:
    """A path for messages; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


@contextlib.contextmanager
def packed(path: Path) -> Iterator[Path]:
    """The file to upload: the file itself, or a temporary zip file of a folder."""
    if path.is_file():
        yield path
        return
    files = _files_in(path, _is_data) or _table_in(path) or _files_in(path, _is_text)
    if not files:
        raise ClientError(
            f"the folder {shown(path)} holds no data; expected a folder of PNG, JPEG or WebP "
            "images, or of .txt files, for each class, npy files x.npy and y.npy, IDX files, or "
            "one table"
        )
    if len(files) == 1 and files[0].suffix.lower() in _TABLES | {".npz"}:
        yield files[0]
        return
    with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
        target = Path(folder) / "data.zip"
        _pack(path, files, target)
        yield target


def _files_in(folder: Path, is_wanted: Callable[[str], bool]) -> list[Path]:
    """The files with such names below a folder in a fixed order; links are followed once."""
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root) / name for name in sorted(names) if is_wanted(name)]
    return [path for path in found if path.is_file()]


def _table_in(folder: Path) -> list[Path]:
    """The table in a folder, if there is one; raises ClientError where there are several."""
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in _TABLES)
    if len(found) > 1:
        names = ", ".join(shown(Path(one.name)) for one in found[:5])
        raise ClientError(
            f"the folder {shown(folder)} holds {len(found)} tables ({names}); expected one file: "
            "join them, a fifth of the rows becomes the test split"
        )
    return found


def _refuse(error: OSError) -> None:
    raise ClientError(f"the folder {error.filename!r} cannot be read: {error.strerror}")


def _is_text(name: str) -> bool:
    return name.lower().endswith(".txt") and not name.startswith(".")


def _is_data(name: str) -> bool:
    is_known = Path(name).suffix.lower() in _SUFFIXES or _IDX.fullmatch(name) is not None
    return is_known and not name.startswith(".")


def _pack(folder: Path, files: list[Path], target: Path) -> None:
    """Write the zip file; raises ClientError for names of folders that are not UTF-8."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, path in enumerate(files):
            entry = zipfile.ZipInfo(_entry_name(folder, path, number), _DATE)
            try:
                with path.open("rb") as source, archive.open(entry, "w") as sink:
                    while block := source.read(2**20):
                        sink.write(block)
            except OSError as error:
                raise ClientError(f"{shown(path)} cannot be read: {error.strerror}") from None


def _entry_name(folder: Path, path: Path, number: int) -> str:
    """The path below the folder; a file whose name is not UTF-8 gets a number for a name."""
    *folders, name = path.relative_to(folder).parts
    for one in folders:
        if not _is_utf8(one):
            raise ClientError(
                f"the name of the folder {shown(Path(one))!r} is not UTF-8; it names a class: "
                "rename it"
            )
    return "/".join([*folders, name if _is_utf8(name) else f"{number}{path.suffix.lower()}"])


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_size(path: Path, most: int) -> None:
    """Raise ClientError where a file is larger than the service accepts."""
    if (size := path.stat().st_size) > most:
        raise ClientError(
            f"the data has {size / 2**20:,.1f} MiB; the service accepts at most "
            f"{most / 2**20:,.1f} MiB: make it smaller, or start the service with a larger "
            "NETMORPH_MAX_UPLOAD_BYTES"
        )


def describe(path: Path, options: Options) -> dict[str, Any]:
    """How a file or folder would be understood; raises ClientError where it would be refused.

    Nothing is uploaded and no service is needed.
    """
    more = [
        f"--{name.replace('_', '-')}={value}"
        for name, values in options.fields().items()
        for value in values
    ]
    with packed(path) as file:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "core.data", *more, "--", str(file)],
            capture_output=True,
            check=False,
        )
    try:
        answer: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        reason = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ClientError(f"{shown(path)} cannot be described: {' '.join(reason)}") from None
    if "error" in answer:
        raise ClientError(answer["error"])
    return answer
