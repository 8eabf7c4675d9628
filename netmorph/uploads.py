"""Files and folders of people as one file to upload, with a name that can be shown and sent.

A folder becomes a zip file of its images and arrays, unpacked: they are compressed already. What
they hold is understood by the service, or by `python -m core.data` in a process of its own.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netmorph.errors import ClientError

_LONGEST = 128  # characters of the name of a data set
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp"})
_SUFFIXES = _IMAGES | {".npy", ".npz", ".gif", ".tif", ".tiff", ".heic", ".avif", ".ppm", ".pgm",
                       ".arrow"}  # fmt: skip
_ANNOTATIONS = frozenset({".json", ".xml", ".txt"})  # of COCO, Pascal VOC and YOLO
_DESCRIPTIONS = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_PACKED = (".gz", ".bz2", ".xz", ".zst")  # behind the suffix of a table
_IDX = re.compile(r".*idx\d[-_.]?(ubyte|byte|short|int|float|double)?(\.gz)?", re.IGNORECASE)
_FILE = re.compile(
    r".*\.(npz|npy|zip|gz|bz2|xz|zst|tgz|tar|csv|tsv|parquet|jsonl|ndjson|"
    r"h5|pkl|pt|mat)",
    re.IGNORECASE,
)
_SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # categories of Unicode
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest of a zip entry: equal files, equal bytes


Report = Callable[[str], None]  # of the present step, in words


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says about a data set beside its files."""

    layout: str | None = None  # of the axes: "NCL"
    image_side: int | None = None  # largest side of images from files, in pixels
    target: str | None = None  # the column of a table that holds the labels
    text: str | None = None  # the column of a table that holds texts
    categories: tuple[str, ...] = ()  # columns that are categories, though they look like numbers
    leave_out: tuple[str, ...] = ()  # columns of a table that are not learned from
    #: What the labels are for: "image-classification", "multi-label" or "regression".
    task: str | None = None
    group: str | None = None  # the column of a table whose groups all splits keep apart
    time: str | None = None  # the column of a table whose latest rows are the test split
    split_seed: int | None = None  # of a test split that is set aside
    merge_labels: bool = False  # those that differ only in capital letters or blanks are one
    validation: Path | None = None  # a file or folder with examples to validate on
    test: Path | None = None  # likewise to test on

    def fields(self) -> dict[str, list[str]]:
        """The fields of the upload's form, each with its values."""
        names = ("layout", "image_side", "target", "text", "task", "group", "time", "split_seed")
        given = {name: [str(v)] for name in names if (v := getattr(self, name)) is not None}
        given |= {"merge_labels": ["true"]} if self.merge_labels else {}
        lists = {"category": [*self.categories], "leave_out": [*self.leave_out]}
        return given | {name: values for name, values in lists.items() if values}


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
def packed(
    path: Path,
    validation: Path | None = None,
    test: Path | None = None,
    report: Report = _silent,
) -> Iterator[Path]:
    """The file to upload: the file itself, or a temporary zip file of a folder.

    With files or folders for validation or test it is a zip file of all, each in a folder that is
    named after its part. `report` is called for each file of a folder that was packed.
    """
    parts = {"validation": validation, "test": test}
    if any(parts.values()):
        with _zip_file() as target:
            with _archive(target, report) as archive:
                for part, one in {"train": path, **parts}.items():
                    _add_part(archive, part, one)
            yield target
        return
    if path.is_file():
        yield path
        return
    files = _data_in(path)
    if len(files) == 1 and (_is_table(files[0]) or files[0].suffix.lower() == ".npz"):
        yield files[0]
        return
    with _zip_file() as target:
        with _archive(target, report) as archive:
            _pack(archive, path, files)
        yield target


@contextlib.contextmanager
def _zip_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
        yield Path(folder) / "data.zip"


class _Archive(zipfile.ZipFile):
    """A zip file that is written, and what is called for each file in it."""

    report: Report


@contextlib.contextmanager
def _archive(target: Path, report: Report) -> Iterator[_Archive]:
    """A new zip file; raises ClientError where there is no room for it."""
    try:
        with _Archive(target, "w", zipfile.ZIP_STORED) as archive:
            archive.report = report
            yield archive
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ClientError(
            f"the data does not fit into the temporary folder {shown(target.parent.parent)}: "
            f"{error.strerror}; make room there, or name another folder by the variable TMPDIR"
        ) from None


def _add_part(archive: _Archive, part: str, path: Path | None) -> None:
    """Add the files of a part to the archive; raises ClientError for those that are no parts."""
    if path is None:
        return
    if path.is_dir():
        _pack(archive, path, _data_in(path), f"{part}/")
    elif path.suffix.lower() == ".npz":
        _pack_arrays(archive, path, "" if part == "train" else f"{part}/")
    elif _is_table(path):
        _pack(archive, path.parent, [path], f"{part}/")
    else:
        raise ClientError(
            f"{shown(path)} is no part of a data set; expected a table, an npz file or a folder: "
            "where a split is given as a file of its own, all are"
        )


def _pack_arrays(archive: zipfile.ZipFile, path: Path, prefix: str) -> None:
    """Copy the arrays of an npz file, unpacked."""
    try:
        with zipfile.ZipFile(path) as arrays:
            for name in arrays.namelist():
                entry = zipfile.ZipInfo(prefix + name, _DATE)
                entry.file_size = arrays.getinfo(name).file_size
                with arrays.open(name) as source, archive.open(entry, "w") as sink:
                    shutil.copyfileobj(source, sink, 2**20)
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        raise ClientError(f"{shown(path)} is no readable npz file: {error}") from None


def _data_in(path: Path) -> list[Path]:
    """The files of a folder that are data; raises ClientError where there are none."""
    if files := _files_in(path, _is_data):
        images = {one.stem for one in files if one.suffix.lower() in _IMAGES}
        # Tables beside images may have their labels.
        tables = _files_in(path, _is_visible_table) if images else []
        return sorted([*files, *tables, *_annotations(path, images)])
    if files := _tables_in(path) or _files_in(path, _is_text):
        return files
    if sounds := _files_in(path, lambda name: name.lower().endswith(_SOUNDS)):
        raise ClientError(
            f"the folder {shown(path)} holds sounds, such as {shown(sounds[0])}; expected their "
            "samples as signals: arrays x of shape (N, length) and y in an npz file, with "
            "--layout NL"
        )
    raise ClientError(
        f"the folder {shown(path)} holds no data; expected a folder of PNG, JPEG or WebP images "
        "or .txt files for each class, images with a table of their labels, npy "
        "files x.npy and y.npy, IDX files, or one table"
    )


def _annotations(folder: Path, images: Collection[str]) -> list[Path]:
    """A small file of each kind that may say where objects are in the images of these names.

    No more are needed: the service says what to do with such data.
    """
    found = [
        path
        for path in (_files_in(folder, _is_annotation) if images else [])
        if path.stat().st_size and (path.suffix.lower() == ".json" or path.stem in images)
    ]
    smallest = {path.suffix.lower(): path for path in sorted(found, key=_size, reverse=True)}
    return list(smallest.values())


def _size(path: Path) -> tuple[int, str]:
    return path.stat().st_size, path.name


def _is_annotation(name: str) -> bool:
    is_data = name in _DESCRIPTIONS or name.startswith(".")
    return Path(name).suffix.lower() in _ANNOTATIONS and not is_data


def _is_table(path: Path) -> bool:
    return _plain_suffix(path) in _TABLES


def _plain_suffix(path: Path) -> str:
    """The suffix of a file before it was packed."""
    packed = path.suffix.lower() in _PACKED
    return Path(path.stem).suffix.lower() if packed else path.suffix.lower()


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


def _tables_in(folder: Path) -> list[Path]:
    """The tables in a folder and below; raises ClientError where they are of several formats."""
    found = sorted(_files_in(folder, _is_visible_table))
    if len({_plain_suffix(one) for one in found}) > 1:
        names = ", ".join(shown(Path(one.name)) for one in found[:5])
        raise ClientError(
            f"the folder {shown(folder)} holds {len(found)} tables ({names}); expected one file, "
            "or train.csv, validation.csv and test.csv of one format"
        )
    return found


def _refuse(error: OSError) -> None:
    if isinstance(error, NotADirectoryError):  # a pipe or a device
        found = shown(Path(error.filename))
        raise ClientError(f"{found} is neither a file nor a folder: save its content to a file")
    raise ClientError(f"the folder {error.filename!r} cannot be read: {error.strerror}")


def _is_text(name: str) -> bool:
    return name.lower().endswith(".txt") and not name.startswith(".")


def _is_visible_table(name: str) -> bool:
    return _is_table(Path(name)) and not name.startswith(".")


def _is_data(name: str) -> bool:
    is_known = Path(name).suffix.lower() in _SUFFIXES or _IDX.fullmatch(name) is not None
    is_known |= name in _DESCRIPTIONS
    return is_known and not name.startswith(".")


def _pack(archive: _Archive, folder: Path, files: list[Path], prefix: str = "") -> None:
    """Add the files; raises ClientError for names of folders that are not UTF-8."""
    for number, path in enumerate(files):
        entry = zipfile.ZipInfo(prefix + _entry_name(folder, path, number), _DATE)
        entry.file_size = path.stat().st_size  # more than 2 GiB need another form of entries
        try:
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 2**20)
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise ClientError(f"{shown(path)} cannot be read: {error.strerror}") from None
        archive.report(f"packed {number + 1:,} of {len(files):,} files")


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


def describe(path: Path, options: Options, report: Report = _silent) -> dict[str, Any]:
    """How a file or folder would be understood; raises ClientError where it would be refused.

    Nothing is uploaded and no service is needed.
    """
    more = [
        f"--{name.replace('_', '-')}={value}"
        for name, values in options.fields().items()
        for value in values
    ]
    with packed(path, options.validation, options.test, report) as file:
        report(f"reading {file.stat().st_size / 2**20:,.1f} MiB")
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
