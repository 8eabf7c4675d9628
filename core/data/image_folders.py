"""Images by their folders, which name their classes and splits: `cat/1.png`, `test/cat/7.png`."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.data.files import Files, shown, without_top_folder
from core.data.image_names import is_image, is_other_image
from core.data.part_names import PARTS
from core.errors import InvalidDataset

EXPECTED = (
    "expected a folder of images for each class, as in cat/1.png and dog/1.png, or these in "
    "folders train, val and test"
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file by its names."""

    file: str
    split: str
    label: str


def by_class(files: Files) -> tuple[list[ImageFile], list[str]]:
    """(the images with their folders as labels, the other files); raises InvalidDataset."""
    names = _below_top_folders(files.names)
    images, others = [], []
    for name, full in sorted(names.items()):
        if not is_image(name):
            check_format(name)
            others.append(name)
            continue
        images.append(_one_listed(name, full))
    if {image.label.lower() for image in images} <= PARTS.keys():
        raise InvalidDataset(f"found images in {sorted({i.label for i in images})}; {EXPECTED}")
    _check_unlabelled([name for name in names if is_image(name)])
    return images, others


def _check_unlabelled(names: Sequence[str]) -> None:
    """Raise InvalidDataset for `test/1.png` beside `train/cat/1.png`: `test` is no class there."""
    labelled = [name for name in names if name.count("/") > 1]
    folders = {name: name.partition("/")[0].lower() for name in names if name.count("/") == 1}
    if unlabelled := labelled and [name for name, folder in folders.items() if folder in PARTS]:
        raise InvalidDataset(
            f"found {shown(min(unlabelled))} beside {shown(min(labelled))}; expected a folder of "
            "images for each class in each of train, val and test: leave images without labels "
            "out, they are for predict.py"
        )


def check_format(name: str) -> None:
    """Raise InvalidDataset for an image of a format that is not read."""
    if is_other_image(name):
        raise InvalidDataset(
            f"found {shown(name)}; expected PNG, JPEG, WebP or BMP images: convert it"
        )


def _below_top_folders(names: Sequence[str]) -> dict[str, str]:
    """The full names by their names below the folders that hold everything, classes excepted."""
    below = {name: name for name in names}
    while True:
        shorter = without_top_folder(list(below))
        if len(shorter) != len(below) or shorter == {name: name for name in below}:
            return below
        if not all("/" in name for name in shorter if is_image(name)):
            return below  # the folder is the only class
        below = {name: below[full] for name, full in shorter.items()}


def _one_listed(name: str, full: str) -> ImageFile:
    *folders, _ = name.split("/")
    split = "train"
    if len(folders) > 1 and folders[0].lower() in PARTS:
        split = PARTS[folders.pop(0).lower()]
    if len(folders) != 1:
        raise InvalidDataset(f"found the image {shown(name)}; {EXPECTED}")
    return ImageFile(full, split, folders[0])
