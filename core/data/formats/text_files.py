"""Text files, one folder for each class: `sports/1.txt`, or `train/sports/1.txt` and `test/…`."""

import codecs
from collections import defaultdict

import numpy as np

from core.data.files import UNREADABLE, Files, ReadLimits, SingleFile, shown, without_top_folder
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.data.part_names import PARTS, TRAIN
from core.data.texts.understanding import MOST_CHARACTERS
from core.errors import InvalidDataset

_SUFFIX = ".txt"
_BYTES = 4 * MOST_CHARACTERS  # of one file that are read
_EXPECTED = (
    "expected a folder of .txt files for each class, as in sports/1.txt and politics/1.txt, or "
    "these in folders train, val and test"
)


@FORMATS.register("texts")
class TextFiles(AbstractFormat):
    """Text files by class."""

    description = (
        "a folder or zip with a folder of .txt files for each class, or these in folders train, "
        "val and test"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        if isinstance(files, SingleFile) or len(files.names) < 2:
            return False
        names = without_top_folder(files.names)
        return all(name.lower().endswith(_SUFFIX) and _folders(name)[1] for name in names)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)  # texts and labels by split
        named = sorted(without_top_folder(files.names).items())
        for name, full in files.counted(named, "read", "texts"):
            split, label = _meaning(name)
            found[split].append((_text(files, full), label))
        if TRAIN not in found:
            raise InvalidDataset(f"found no texts to train on; {_EXPECTED}")
        return RawData(parts={split: _part(examples) for split, examples in found.items()})


def _meaning(name: str) -> tuple[str, str]:
    """(the split, the class) of a file by its folders."""
    split, folders = _folders(name)
    if len(folders) != 1:
        raise InvalidDataset(f"found the text {shown(name)}; {_EXPECTED}")
    return split, folders[0]


def _folders(name: str) -> tuple[str, list[str]]:
    """(the split, the folders below it) of a file."""
    *folders, _ = name.split("/")
    split = PARTS.get(folders[0].lower()) if folders else None
    return (TRAIN, folders) if split is None else (split, folders[1:])


def _text(files: Files, name: str) -> str:
    """The start of a file in UTF-8, UTF-16 with its mark, or Windows-1252."""
    try:
        with files.open(name) as stream:
            data = stream.read(_BYTES)
    except UNREADABLE as error:
        raise InvalidDataset(f"{shown(name)} cannot be unpacked: {error}") from error
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252"):
        try:  # the last letter may be cut
            return codecs.getincrementaldecoder(encoding)().decode(data)
        except UnicodeDecodeError:
            pass
    raise InvalidDataset(
        f"{shown(name)} is neither UTF-8 nor Windows-1252 text; expected text in UTF-8: save it "
        "with this encoding"
    )


def _part(examples: list[tuple[str, str]]) -> Part:
    texts, labels = zip(*examples, strict=True)
    return Part(np.array(texts, object), np.array(labels))
