"""Image files, one folder for each class: `cat/1.png`, or `train/cat/1.png` and `test/cat/7.png`.

Images are turned as their EXIF data says. If all have the same size, they keep it, unless they are
larger than the largest side. Else each is fitted, its proportions kept, into the median size, with
black beside it. Grey images stay grey where all are; transparency becomes a channel where there is
any; of 16 bits all are kept in grey images, eight in colour ones.
"""

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.data import scratch
from core.data.file_groups import FILE_PREFIX, file_groups
from core.data.files import UNREADABLE, Files, ReadLimits, shown, without_top_folder
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.data.image_names import have_images, is_image, is_other_image
from core.data.part_names import PARTS
from core.data.tables.joining import table_names
from core.errors import InvalidDataset

LARGEST_SIDE = 128  # pixels, unless the person gives another
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_EXPECTED = (
    "expected a folder of images for each class, as in cat/1.png and dog/1.png, or these in "
    "folders train, val and test"
)
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap height and width
_ORIENTATION = 0x0112  # tag of EXIF
_DAMAGED = (
    *UNREADABLE, SyntaxError, TypeError, KeyError, IndexError, AttributeError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError, MemoryError,
)  # fmt: skip


@FORMATS.register("images")
class Images(AbstractFormat):
    """Image files by class."""

    description = (
        "a folder, zip or tar with a folder of PNG, JPEG, WebP or BMP images for each class, or "
        "these in folders train, val and test"
    )

    @classmethod
    def recognises(cls, files: Files) -> bool:
        return have_images(files.names) and not table_names(files)

    @classmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
        return read_by_class(files, limits, options)


def read_by_class(files: Files, limits: ReadLimits, options: ReadOptions) -> RawData:
    """The images, whose folders are their classes."""
    listed, ignored = by_class(files)
    keys = None
    if options.group == FILE_PREFIX:
        names: dict[str, list[str]] = defaultdict(list)
        for one in listed:
            names[one.split].append(one.file)
        keys = file_groups(names)
    return replace(read_listed(files, listed, limits, options, ignored), keys=keys)


def read_listed(
    files: Files,
    listed: Sequence["ImageFile"],
    limits: ReadLimits,
    options: ReadOptions,
    ignored: Sequence[str] = (),
) -> RawData:
    """The images in these files, in the same form and the same order in each part."""
    looks = {i.file: _look(files, i.file, limits) for i in files.counted(listed, "looked at")}
    if (total := sum(look.pixels for look in looks.values())) > limits.pixels:
        raise InvalidDataset(
            f"the images have {total:,} pixels in all; expected at most {limits.pixels:,}: "
            "make them smaller"
        )
    form = _form(list(looks.values()), options.image_side or LARGEST_SIDE)
    if (size := len(listed) * form.bytes) > limits.bytes:
        raise InvalidDataset(
            f"{len(listed):,} images of {form.height} × {form.width} pixels take {size} bytes; "
            f"expected at most {limits.bytes}: give a smaller largest side"
        )
    animated = [name for name, look in looks.items() if look.is_animated]
    return replace(_read(files, listed, form, ignored), warnings=_animated_warning(animated))


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file by its names."""

    file: str
    split: str
    label: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What the header of an image says."""

    height: int
    width: int
    is_colour: bool
    has_alpha: bool
    is_16_bit: bool  # and grey
    is_animated: bool  # only the first picture is read

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(frozen=True, slots=True)
class _Form:
    """The form that all images are brought into."""

    height: int
    width: int
    mode: str  # "L", "LA", "RGB", "RGBA" or "I;16"
    note: str

    @property
    def channels(self) -> int:
        return 1 if self.mode == "I;16" else len(self.mode)

    @property
    def bytes(self) -> int:
        """Of one image."""
        return self.height * self.width * self.channels * (2 if self.mode == "I;16" else 1)


# --- names ------------------------------------------------------------------------------------


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
        raise InvalidDataset(f"found images in {sorted({i.label for i in images})}; {_EXPECTED}")
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
        raise InvalidDataset(f"found the image {shown(name)}; {_EXPECTED}")
    return ImageFile(full, split, folders[0])


# --- looking ----------------------------------------------------------------------------------


def _look(files: Files, name: str, limits: ReadLimits) -> _Look:
    """The facts in an image's header, of which none is trusted later."""
    try:
        with files.open(name) as stream, Image.open(stream, formats=_FORMATS) as image:
            width, height = image.size
            mode, has_alpha = image.mode, image.has_transparency_data
            # A camera may put a preview beside its photograph, in the format MPO.
            is_animated = getattr(image, "is_animated", False) and image.format != "MPO"
            # Of other PNG files, Pillow looks for EXIF data behind the pixels, and unpacks them.
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
    except _DAMAGED as error:
        raise _damaged(name, error) from error
    if width * height > limits.image_pixels or 0 in (width, height):
        raise InvalidDataset(
            f"{shown(name)} has {height} × {width} pixels; expected at most "
            f"{limits.image_pixels:,} in all: make it smaller"
        )
    if exif.get(_ORIENTATION) in _TURNED:
        height, width = width, height
    is_grey = mode in ("1", "L", "LA") or mode.startswith("I")
    return _Look(height, width, not is_grey, has_alpha, mode.startswith("I"), is_animated)


def _damaged(name: str, error: BaseException) -> InvalidDataset:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    reason = re.sub(r" ?<[^>]*>", "", reason)  # no address of an object in memory
    return InvalidDataset(
        f"{shown(name)} cannot be read as an image: {reason}; replace or remove it"
    )


def _form(looks: Sequence[_Look], largest: int) -> _Form:
    """The form that suits all images."""
    sizes = {(look.height, look.width) for look in looks}
    height = round(median(look.height for look in looks))
    width = round(median(look.width for look in looks))
    scale = min(1.0, largest / max(height, width))
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    mode = "RGB" if any(look.is_colour for look in looks) else "L"
    if any(look.has_alpha for look in looks):
        mode += "A"
    elif mode == "L" and any(look.is_16_bit for look in looks):
        mode = "I;16"
    return _Form(height, width, mode, _note(sizes, height, width, largest))


def _note(sizes: set[tuple[int, int]], height: int, width: int, largest: int) -> str:
    """How sizes were made equal; empty where they are as they were."""
    if sizes == {(height, width)}:
        return ""
    if len(sizes) == 1:
        ((old_height, old_width),) = sizes
        return (
            f"images of {old_height} × {old_width} pixels are scaled to {height} × {width}, as "
            f"no side may be longer than {largest}: another limit may be given"
        )
    lows, highs = (tuple(f(size[i] for size in sizes) for i in (0, 1)) for f in (min, max))
    return (
        f"images of {len(sizes)} sizes, heights {lows[0]} to {highs[0]} and widths {lows[1]} to "
        f"{highs[1]}, are fitted into {height} × {width} pixels (the median, no side longer than "
        f"{largest}), proportions kept, with black beside them"
    )


# --- reading ----------------------------------------------------------------------------------


def _read(
    files: Files, listed: Sequence[ImageFile], form: _Form, ignored: Sequence[str]
) -> RawData:
    x: dict[str, NDArray[Any]] = {}
    labels: dict[str, list[str]] = {}
    opaque = True
    for split in sorted({one.split for one in listed}):
        chosen = [one for one in listed if one.split == split]
        x[split], is_opaque = _pixels(files, chosen, form)
        labels[split] = [one.label for one in chosen]
        opaque &= is_opaque
    if "train" not in x:
        raise InvalidDataset(f"found images for {sorted(x)} and none for train; {_EXPECTED}")
    mode = form.mode
    if opaque and mode[-1] == "A":
        x = {split: part[..., :-1] for split, part in x.items()}
        mode = mode[:-1]
    notes = [note for note in (form.note, _alpha_note(mode), _ignored_note(ignored)) if note]
    return RawData(
        parts={split: Part(x[split], np.array(labels[split])) for split in x},
        layout="NHWC",
        image_mode=mode,
        notes=tuple(notes),
    )


def _animated_warning(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (
        f"animated images, of which only the first picture is read: {len(names):,}, such as "
        f"{shown(names[0])}",
    )


def _alpha_note(mode: str) -> str:
    return "the last channel of the images is their opacity" if mode[-1] == "A" else ""


def _ignored_note(ignored: Sequence[str]) -> str:
    if not ignored:
        return ""
    return f"files that are no images are left out: {len(ignored):,}, such as {shown(ignored[0])}"


def _pixels(files: Files, chosen: Sequence[ImageFile], form: _Form) -> tuple[NDArray[Any], bool]:
    """(the images as (N, height, width, channels), whether all are opaque)"""
    dtype = np.uint16 if form.mode == "I;16" else np.uint8
    x = scratch.empty((len(chosen), form.height, form.width, form.channels), dtype)
    opaque = True
    for index, one in enumerate(files.counted(chosen, "read", f"images for {chosen[0].split}")):
        try:
            with files.open(one.file) as stream:
                image = _opened(stream.read(files.size(one.file)), form.mode)
            opaque &= form.mode[-1] != "A" or image.getchannel("A").getextrema() == (255, 255)
            x[index] = _fitted(image, form)
        except _DAMAGED as error:
            raise _damaged(one.file, error) from error
    return x, opaque


def _opened(data: bytes, mode: str) -> Image.Image:
    """The image in a file, turned as its EXIF data says, in a mode ("F" for "I;16")."""
    with Image.open(BytesIO(data), formats=_FORMATS) as opened:
        image = ImageOps.exif_transpose(opened)
    if mode == "I;16":
        return _as_floats(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(np.asarray(np.asarray(_as_floats(image)) / 257, np.uint8))
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _as_floats(image: Image.Image) -> Image.Image:
    """A grey image with values from 0 to 65,535, which Pillow can scale only as floats."""
    if image.mode in ("1", "L"):
        return Image.fromarray(np.asarray(image.convert("L"), np.float32) * 257)
    return Image.fromarray(np.asarray(image, np.float32))


def _fitted(image: Image.Image, form: _Form) -> NDArray[Any]:
    """The pixels of an image in the size of the form, (height, width, channels)."""
    size = (form.width, form.height)
    if image.size != size:
        image = ImageOps.pad(image, size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(form.height, form.width, form.channels)
    return np.rint(pixels) if form.mode == "I;16" else pixels
