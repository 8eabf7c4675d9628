"""Image files, one folder for each class: `cat/1.png`, or `train/cat/1.png` and `test/cat/7.png`.

Images are turned as their EXIF data says, and brought into one form (`core.data.image_forms`).
"""

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.data import scratch
from core.data.file_groups import FILE_PREFIX, file_groups
from core.data.files import UNREADABLE, Files, ReadLimits, shown
from core.data.formats.abstract import FORMATS, AbstractFormat, Part, RawData, ReadOptions
from core.data.image_folders import EXPECTED, ImageFile, by_class
from core.data.image_forms import ImageFacts, ImageSpec, form_of
from core.data.image_names import have_images
from core.data.tables.joining import table_names
from core.errors import InvalidDataset

LARGEST_SIDE = 128  # pixels, unless the person gives another
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
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
    listed: Sequence[ImageFile],
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
    form = form_of(list(looks.values()), options.image_side or LARGEST_SIDE)
    if (size := len(listed) * form.bytes) > limits.bytes:
        raise InvalidDataset(
            f"{len(listed):,} images of {form.height} × {form.width} pixels take {size} bytes; "
            f"expected at most {limits.bytes}: give a smaller largest side"
        )
    animated = [name for name, look in looks.items() if look.is_animated]
    deep = [name for name, look in looks.items() if look.is_16_bit]
    warnings = (*_animated_warning(animated), *_depth_warning(deep, form))
    return replace(_read(files, listed, form, ignored), warnings=warnings)


def _look(files: Files, name: str, limits: ReadLimits) -> ImageFacts:
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
    return ImageFacts(height, width, not is_grey, has_alpha, mode.startswith("I"), is_animated)


def _damaged(name: str, error: BaseException) -> InvalidDataset:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    reason = re.sub(r" ?<[^>]*>", "", reason)  # no address of an object in memory
    return InvalidDataset(
        f"{shown(name)} cannot be read as an image: {reason}; replace or remove it"
    )


def _read(
    files: Files, listed: Sequence[ImageFile], form: ImageSpec, ignored: Sequence[str]
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
        raise InvalidDataset(f"found images for {sorted(x)} and none for train; {EXPECTED}")
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


def _depth_warning(names: Sequence[str], form: ImageSpec) -> tuple[str, ...]:
    """That 16 bits are lost, where they are."""
    if not names or form.mode == "I;16":
        return ()
    return (
        f"images of 16 bits are reduced to 8, as others have colours, a palette or transparency: "
        f"{len(names):,}, such as {shown(names[0])}; to keep 16 bits, make all images grey",
    )


def _alpha_note(mode: str) -> str:
    return "the last channel of the images is their opacity" if mode[-1] == "A" else ""


def _ignored_note(ignored: Sequence[str]) -> str:
    if not ignored:
        return ""
    return f"files that are no images are left out: {len(ignored):,}, such as {shown(ignored[0])}"


def _pixels(
    files: Files, chosen: Sequence[ImageFile], form: ImageSpec
) -> tuple[NDArray[Any], bool]:
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


def _fitted(image: Image.Image, form: ImageSpec) -> NDArray[Any]:
    """The pixels of an image in the size of the form, (height, width, channels)."""
    size = (form.width, form.height)
    if image.size != size:
        image = ImageOps.pad(image, size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(form.height, form.width, form.channels)
    return np.rint(pixels) if form.mode == "I;16" else pixels
