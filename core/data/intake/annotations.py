"""Annotations of objects in images, in the forms of COCO, YOLO and Pascal VOC.

A search does not learn to detect objects. Without a word about that, the folders of such data, as
`train2017` and `val2017`, would be taken for classes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from core.data.files import UNREADABLE, Files, SingleFile, shown
from core.data.image_names import have_images, is_image
from core.data.tables.joining import table_names
from core.errors import InvalidDataset

_START = 2**16  # bytes of a file by which it is recognised
_MOST = 20  # files of a kind that are looked at
_COCO_LIST = re.compile(rb'"(images|annotations)"\s*:\s*\[')
_COCO_FIELD = re.compile(rb'"(file_name|image_id|bbox)"\s*:')
_VOC_ROOT, _VOC_BOX = re.compile(rb"<annotation\b"), re.compile(rb"<(object|bndbox)\b")
_SHARE = re.compile(rb"0?\.\d+|[01](?:\.\d*)?|\d(?:\.\d+)?[eE]-\d+")  # a number from 0 to 1
_BOX = 4  # numbers of a box; an outline has more
_CURE = (
    "Netmorph does not detect objects, it predicts classes, labels or numbers for a whole image: "
    "crop each object into a folder of its class, as in cat/1.png and dog/1.png; or add a table "
    "labels.csv with the columns file and label, one row for each image; or remove the annotations "
    "if the folders are the classes"
)


def check_not_annotated(files: Files) -> None:
    """Raise InvalidDataset where images have annotations of objects in place of labels.

    A table beside the images may have their labels: then nothing is refused.
    """
    if isinstance(files, SingleFile):
        if _is_coco(_start(files, files.names[0])):
            raise InvalidDataset(f"the file holds annotations of objects, as of COCO. {_CURE}")
        return
    if not have_images(files.names) or table_names(files):
        return
    for suffix, form, is_one in (
        (".json", "COCO", _is_coco),
        (".xml", "Pascal VOC", _is_voc),
        (".txt", "YOLO", _is_yolo),
    ):
        if (found := next(_annotated(files, suffix, is_one), None)) is not None:
            raise InvalidDataset(
                f"found annotations of objects in images, as of {form}, in {shown(found)}. {_CURE}"
            )


def _annotated(files: Files, suffix: str, is_one: Callable[[bytes], bool]) -> Iterator[str]:
    """The files with this suffix that hold annotations."""
    names = [name for name in files.names if name.lower().endswith(suffix)]
    if names and suffix != ".json":  # most folders have none: their images are not gone through
        names = _of_images(names, files.names)
    filled = (name for name in names if files.size(name))  # an image without objects has none
    for name, _ in zip(filled, range(_MOST), strict=False):
        if is_one(_start(files, name)):
            yield name


def _of_images(names: Sequence[str], everything: Sequence[str]) -> list[str]:
    """The files that are called like an image."""
    images = {PurePosixPath(name).stem for name in everything if is_image(name)}
    return [name for name in names if PurePosixPath(name).stem in images]


def _start(files: Files, name: str) -> bytes:
    """The first bytes of a file; none where it is damaged, of which its reader tells more."""
    try:
        with files.open(name) as stream:
            return stream.read(_START)
    except UNREADABLE:
        return b""


def _is_coco(start: bytes) -> bool:
    is_object = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return is_object and bool(_COCO_LIST.search(start)) and bool(_COCO_FIELD.search(start))


def _is_voc(start: bytes) -> bool:
    root = _VOC_ROOT.search(start)
    return root is not None and _VOC_BOX.search(start, root.end()) is not None


def _is_yolo(start: bytes) -> bool:
    """Whether all complete lines are a class and numbers from 0 to 1."""
    lines = start.splitlines()[: -1 if len(start) == _START else None]
    filled = [line.strip() for line in lines if line.strip()]
    return bool(filled) and all(_is_yolo_row(line) for line in filled)


def _is_yolo_row(line: bytes) -> bool:
    """Whether a row is a class and a box, or a class and an outline."""
    kind, *shares = line.split()
    return kind.isdigit() and len(shares) >= _BOX and all(map(_SHARE.fullmatch, shares))
