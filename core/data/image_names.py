"""Which image of an archive a cell of a table names.

A cell names the image whose path ends like the cell, or like which the cell ends, with or without
the suffix of the file: of `train/a17.png` these are `a17`, `a17.png`, `train/a17.png` and
`C:\\data\\train\\a17.png`. Letter case, the kind of slash, the query of an address and the zeros
before a number have no effect: spreadsheets take `007` for 7, and data frames for 7.0.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

_IMAGE = re.compile(r".*\.(png|jpe?g|jfif|webp|bmp)", re.IGNORECASE | re.DOTALL)
_OTHER = re.compile(
    r".*\.(gif|tiff?|heic|avif|jp2|svg|raw|dng|ico|pgm|ppm|dcm)", re.IGNORECASE | re.DOTALL
)
_NUMBER = re.compile(r"(\d++)(?:\.0+)?")
_Path = tuple[str, ...]  # folders, then the name of the file


def is_image(name: str) -> bool:
    """Whether a file is an image that can be read, by its suffix."""
    return _IMAGE.fullmatch(name.rpartition("/")[2]) is not None


def is_other_image(name: str) -> bool:
    """Whether a file is an image that must be converted first, by its suffix."""
    return _OTHER.fullmatch(name.rpartition("/")[2]) is not None


def have_images(names: Iterable[str]) -> bool:
    """Whether any of the files is an image, also one that must be converted."""
    return any(is_image(name) or is_other_image(name) for name in names)


class ImageIndex:
    """The names of images, to look up by what people write in tables."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_file: dict[str, list[tuple[_Path, str]]] = defaultdict(list)
        for name in names:
            path = _path(name)
            stem = path[-1].rpartition(".")[0]
            for key in {path[-1], stem, _number(stem)} - {""}:
                self._by_file[key].append((path, name))

    def named_by(self, cell: str) -> list[str]:
        """The images that a cell may name: by the entire name, else without suffix, else zeros."""
        path = _path(cell)
        if not path:
            return []
        *folders, file = path
        for key in (file, _number(file)):
            found = [
                (other[-1], name)
                for other, name in self._by_file.get(key, ())
                if _end_equally(other[:-1], tuple(folders))
            ]
            with_suffix = [name for other, name in found if other == key]
            with_stem = [name for other, name in found if other.rpartition(".")[0] == key]
            if named := with_suffix or with_stem or [name for _, name in found]:
                return named
        return []


def _path(text: str) -> _Path:
    if "://" in text:
        text = text.partition("?")[0]
    plain = unicodedata.normalize("NFC", text).replace("\\", "/").casefold().strip()
    return tuple(part for part in plain.split("/") if part not in ("", ".", ".."))


def _number(text: str) -> str:
    """A number without zeros before it and without a fraction of zero; "" for other texts."""
    found = _NUMBER.fullmatch(text)
    return found[1].lstrip("0") or "0" if found else ""


def _end_equally(first: _Path, second: _Path) -> bool:
    """Whether one of two paths is the end of the other."""
    length = min(len(first), len(second))
    return first[len(first) - length :] == second[len(second) - length :]
