"""Which image of an archive a cell of a table names.

A cell names the image whose path ends like the cell, or like which the cell ends, with or without
the suffix of the file: of `train/a17.png` these are `a17`, `a17.png`, `train/a17.png` and
`C:\\data\\train\\a17.png`. Letter case and the kind of slash have no effect.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

_IMAGE = re.compile(r".*\.(png|jpe?g|webp|bmp)", re.IGNORECASE | re.DOTALL)
_Path = tuple[str, ...]  # folders, then the name of the file


def is_image(name: str) -> bool:
    """Whether a file is an image that can be read, by its suffix."""
    return _IMAGE.fullmatch(name.rpartition("/")[2]) is not None


class ImageIndex:
    """The names of images, to look up by what people write in tables."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_file: dict[str, list[tuple[_Path, str]]] = defaultdict(list)
        for name in names:
            path = _path(name)
            for key in {path[-1], path[-1].rpartition(".")[0]}:
                self._by_file[key].append((path, name))

    def named_by(self, cell: str) -> list[str]:
        """The images that a cell may name; those with its suffix go before all others."""
        path = _path(cell)
        if not path:
            return []
        found = [
            (other, name)
            for other, name in self._by_file.get(path[-1], ())
            if _end_equally(other[:-1], path[:-1])
        ]
        with_suffix = [name for other, name in found if other[-1] == path[-1]]
        return with_suffix or [name for _, name in found]


def _path(text: str) -> _Path:
    plain = unicodedata.normalize("NFC", text).replace("\\", "/").casefold().strip()
    return tuple(part for part in plain.split("/") if part not in ("", ".", ".."))


def _end_equally(first: _Path, second: _Path) -> bool:
    """Whether one of two paths is the end of the other."""
    length = min(len(first), len(second))
    return first[len(first) - length :] == second[len(second) - length :]
