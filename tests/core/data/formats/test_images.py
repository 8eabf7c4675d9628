"""Folders of images by class: every usual kind of image, size, folder and fault."""

import contextlib
import io
import re
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset

GREY = np.random.default_rng(0).integers(0, 255, (6, 5), np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 255, (6, 5, 3), np.uint8)


def file_of(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


PNG = file_of(Image.fromarray(GREY))


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tree(*folders: str, data: bytes = PNG, count: int = 5) -> dict[str, bytes]:
    """Files with the same image in each folder."""
    return {f"{folder}/{n}.png": data for folder in folders for n in range(count)}


def read(found: dict[str, bytes], **options: Any) -> Intake:
    """The data set in a zip file; `image_side` is an option of reading, others are limits."""
    merge, side = options.pop("merge_labels", False), options.pop("image_side", None)
    chosen = ReadOptions(image_side=side, merge_labels=merge)
    return intake.read(io.BytesIO(zipped(found)), ReadLimits(**options), chosen)


def refusal(found: dict[str, bytes], **limits: Any) -> str:
    with pytest.raises(InvalidDataset) as caught:
        read(found, **limits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def first(image: bytes, *others: bytes) -> np.ndarray:
    """The first training example of a data set with an image in class a and others in class b."""
    files = tree("a", data=image) | tree("b")
    files |= {f"b/other {n}.png": other for n, other in enumerate(others)}
    arrays = read(files).arrays
    return np.asarray(arrays.x_train[int((arrays.y_train == 0).argmax())])


# --- folders ----------------------------------------------------------------------------------


def test_folders_that_differ_in_capital_letters_or_blanks_are_one_class_where_requested() -> None:
    found = read(tree("cat", "Cat", "the dog") | tree("the  dog", count=7), merge_labels=True)

    assert found.spec.class_names == ("Cat", "the dog")
    assert found.spec.train_examples + found.spec.test_examples == 22
    assert found.description.notes[-1].endswith("'the  dog' and 'the dog' as 'the dog'")


@pytest.mark.parametrize("above", ["", "pets/", "a/b/pets/"])
def test_a_folder_for_each_class_is_a_data_set(above: str) -> None:
    found = read(tree(f"{above}cat", f"{above}the dog"))

    assert found.spec.class_names == ("cat", "the dog")
    assert found.spec.input_shape == (1, 6, 5)
    assert (found.spec.layout, found.spec.image_mode) == ("NHWC", "L")
    assert (found.spec.train_examples, found.spec.test_examples) == (8, 2)
    np.testing.assert_array_equal(found.arrays.x_train[0, 0], GREY)


def test_own_splits_are_kept() -> None:
    files = tree("d/train/cat", "d/train/dog") | tree("d/Test/cat", "d/Test/dog", count=2)
    found = read(files | tree("d/val/cat", "d/val/dog", count=1))

    assert (found.spec.train_examples, found.spec.test_examples) == (12, 4)
    assert [one.examples for one in found.description.splits] == [10, 2, 4]
    assert "each search validates on the 2 examples" in found.description.notes[0]


def test_it_is_said_how_many_of_many_images_are_read() -> None:
    steps: list[str] = []
    found = zipped(tree("train/cat", "train/dog", "test/cat", count=105))
    intake.read(io.BytesIO(found), ReadLimits(), on_step=steps.append)
    assert steps == [
        "looked at 100 of 315 images",
        "looked at 200 of 315 images",
        "looked at 300 of 315 images",
        "read 100 of 105 images for test",
        "read 100 of 210 images for train",
        "read 200 of 210 images for train",
    ]


def test_hidden_files_are_ignored_and_others_are_named() -> None:
    more = {".DS_Store": b"1", "__MACOSX/cat/._1.png": b"1", "cat/Thumbs.db": b"1", "a.txt": b"1"}
    more |= {".ipynb_checkpoints/0-checkpoint.png": PNG, "cat/.thumbnails/0.png": b"1"}
    for folder in ("", "my data/pets/"):
        found = read({folder + name: data for name, data in (tree("cat", "dog") | more).items()})

        assert found.spec.class_names == ("cat", "dog")
        assert found.spec.train_examples == 8
    assert found.description.notes == ("files that are no images are left out: 1, such as 'a.txt'",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (tree("cat"), "found 1 class(es); expected 2"),
        ({"1.png": PNG, "2.png": PNG}, "found the image '1.png'; expected a folder of images"),
        (tree("train", "test"), "found images in ['test', 'train']; expected a folder of images"),
        (tree("test/cat", "test/dog", "val/cat"), "none for train; expected a folder of images"),
        (tree("x/y/cat", "x/dog"), "found the image 'y/cat/0.png'; expected a folder of images"),
        (tree("cat", "dog") | {"cat/1.tif": PNG}, "found 'cat/1.tif'; expected PNG, JPEG"),
        (tree("cat", "dog", count=2), "has 2 example(s); expected at least 3"),
        (tree("train/cat", "train/dog", "test"), "found 'test/0.png' beside 'train/cat/0.png'"),
        (tree("a\nb", "dog"), "U+000A"),
        (tree("cat", "cat "), "differ in blanks"),
    ],
)
def test_folders_that_are_no_data_set_are_refused(files: dict[str, bytes], message: str) -> None:
    assert message in refusal(files)


# --- kinds of images --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PNG, GREY[None]),
        (file_of(Image.fromarray(COLOUR)), COLOUR.transpose(2, 0, 1)),
        (file_of(Image.fromarray(COLOUR), "BMP"), COLOUR.transpose(2, 0, 1)),
        (file_of(Image.fromarray(COLOUR), "WEBP", lossless=True), COLOUR.transpose(2, 0, 1)),
        (file_of(Image.fromarray(GREY > 99)), (GREY > 99)[None] * np.uint8(255)),
        (
            file_of(Image.fromarray(COLOUR).quantize(256)),
            np.asarray(Image.fromarray(COLOUR).quantize(256).convert("RGB")).transpose(2, 0, 1),
        ),
        (file_of(Image.fromarray(COLOUR).convert("RGBA")), COLOUR.transpose(2, 0, 1)),
        (file_of(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"), None),
        (file_of(Image.fromarray(COLOUR), "JPEG"), None),
    ],
)
def test_any_mode_and_format_keeps_its_pixels(image: bytes, expected: np.ndarray | None) -> None:
    found = first(image)

    assert found.dtype == np.uint8
    if expected is None:  # lossy
        assert found.shape == (3, 6, 5)
    else:
        np.testing.assert_array_equal(found, expected)


def test_transparency_is_a_channel_where_there_is_any() -> None:
    alpha = np.full((6, 5, 1), 255, np.uint8)
    alpha[0] = 7
    image = np.concatenate([COLOUR, alpha], axis=2)

    found = first(file_of(Image.fromarray(image)))

    np.testing.assert_array_equal(found, image.transpose(2, 0, 1))
    files = tree("a", data=file_of(Image.fromarray(image))) | tree("b")
    assert read(files).spec.image_mode == "RGBA"
    assert "their opacity" in read(files).description.notes[0]


def test_sixteen_bits_are_kept_in_grey_images() -> None:
    image = np.random.default_rng(0).integers(0, 65_535, (6, 5), np.uint16)

    found = first(file_of(Image.fromarray(image)))

    np.testing.assert_array_equal(found, image[None])
    assert found.dtype == np.float32
    other = read(tree("a", data=file_of(Image.fromarray(image))) | tree("b")).arrays
    np.testing.assert_array_equal(other.x_train[-1, 0], GREY * 257.0)  # of eight bits


def test_a_loss_of_sixteen_bits_is_warned_of() -> None:
    deep = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 65_535, (6, 5), np.uint16)))
    grey = tree("a", data=deep) | tree("b")

    found = read(grey | {"b/colour.png": file_of(Image.fromarray(COLOUR))})

    assert any(
        text.startswith("images of 16 bits are reduced to 8") and "5, such as 'a/0.png'" in text
        for text in found.description.warnings
    )
    assert not any("16 bits" in text for text in read(grey).description.warnings)


def test_sixteen_bits_become_eight_beside_colours() -> None:
    image = np.random.default_rng(0).integers(0, 65_535, (6, 5), np.uint16)

    found = first(file_of(Image.fromarray(image)), file_of(Image.fromarray(COLOUR)))

    np.testing.assert_array_equal(found, np.repeat((image // 257)[None], 3, axis=0))


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
def test_images_are_turned_as_their_camera_says(format: str) -> None:
    upright = np.zeros((6, 5, 3), np.uint8)
    upright[:3] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise
    stored = Image.fromarray(np.rot90(upright))
    options = {"lossless": True} if format == "WEBP" else {}

    found = first(file_of(stored, format, exif=exif, **options))

    np.testing.assert_allclose(found, upright.transpose(2, 0, 1), atol=40)


# --- sizes ------------------------------------------------------------------------------------


def test_images_of_several_sizes_are_fitted_into_the_median() -> None:
    small, tall = (file_of(Image.new("L", size, 200)) for size in ((4, 4), (4, 8)))
    found = read(tree("a", data=small, count=7) | tree("b", data=tall))

    assert found.spec.input_shape == (1, 4, 4)
    narrow = found.arrays.x_train[-1, 0]
    assert (narrow[:, 0] == 0).all()  # black beside it
    assert (narrow[:, 1] == 200).all()  # proportions kept
    assert (
        "images of 2 sizes, heights 4 to 8 and widths 4 to 4, are fitted into 4 × 4 pixels"
        in found.description.notes[0]
    )


@pytest.mark.parametrize(("side", "shape"), [(None, (1, 128, 64)), (16, (1, 16, 8)), (400, None)])
def test_the_largest_side_is_limited(side: int | None, shape: tuple[int, ...] | None) -> None:
    image = file_of(Image.new("L", (150, 300), 9))

    found = read(tree("a", "b", data=image), image_side=side)

    assert found.spec.input_shape == (shape or (1, 300, 150))
    assert bool(found.description.notes) == (shape is not None)
    assert (found.arrays.x_train == 9).all()


# --- files that are damaged or were made to do harm -------------------------------------------


@pytest.mark.parametrize(
    "damaged",
    [b"", b"hello", PNG[:60], PNG[:-30], PNG[:40] + b"\xff" * 9 + PNG[49:],
     file_of(Image.fromarray(COLOUR), "JPEG")[:200],
     file_of(Image.fromarray(COLOUR), "WEBP")[:60],
     b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a" + bytes(40)],
)  # fmt: skip
def test_a_damaged_image_is_named(damaged: bytes) -> None:
    message = refusal(tree("cat", "dog") | {"cat/bad.png": damaged})

    assert message.startswith("'cat/bad.png' cannot be read as an image: ")
    assert message.endswith("replace or remove it")
    assert "0x" not in message


def header_only(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has no pixels."""
    data = bytearray(file_of(Image.new("L", (1, 1))))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    chunk = bytes(data[12:29])
    data[29:33] = zlib.crc32(chunk).to_bytes(4, "big")
    return bytes(data)


def test_images_that_claim_too_many_pixels_are_refused_before_they_are_unpacked() -> None:
    huge = tree("cat", "dog") | {"cat/huge.png": header_only(8000, 8000)}
    assert "'cat/huge.png' has 8000 × 8000 pixels; expected at most" in refusal(huge)
    many = tree("cat", "dog", data=header_only(4000, 4000))
    assert "160,000,000 pixels in all; expected at most 1,000" in refusal(many, pixels=1000)
    plain = tree("cat", "dog", data=file_of(Image.new("L", (128, 128))))
    assert "take 163840 bytes; expected at most 100000" in refusal(plain, bytes=100_000)


def test_there_may_be_a_limited_number_of_files() -> None:
    assert "found 10 files; expected at most 9" in refusal(tree("cat", "dog"), files=9)


EXIF = Image.Exif()
EXIF[0x0112] = 6
SEVERAL = [
    PNG,
    file_of(Image.fromarray(COLOUR), "JPEG", exif=EXIF),
    file_of(Image.fromarray(COLOUR), "WEBP", lossless=True, exif=EXIF),
    file_of(Image.fromarray(COLOUR).quantize(9), "PNG", transparency=3),
    file_of(Image.fromarray(COLOUR), "BMP"),
]


@settings(max_examples=150)
@given(
    good=st.sampled_from(SEVERAL),
    changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_any_damage_to_an_image_is_harmless_or_refused(
    good: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(good)
    for index, value in changes:
        data[index % len(data)] = value
    files = tree("cat", "dog") | {"cat/bad.png": bytes(data)}

    with contextlib.suppress(InvalidDataset), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of some damage and goes on
        assert read(files, image_pixels=2**16).spec.train_examples == 9


# --- groups by file names -------------------------------------------------------------------------


def by_owner(
    owners: str = "abcdefgh", folders: tuple[str, ...] = ("cat", "dog")
) -> dict[str, bytes]:
    """Pictures of two classes by several owners, of whom each has three of each class."""
    names = [("_", 1), ("-", 2), (" of ", 3)]
    return {
        f"{folder}/{owner}{mark}{n}.png": file_of(Image.new("L", (4, 4), 10 * owners.index(owner)))
        for folder in folders
        for owner in owners
        for mark, n in names
    }


def read_grouped(files: dict[str, bytes], **options: Any) -> Intake:
    return intake.read(
        io.BytesIO(zipped(files)), ReadLimits(), ReadOptions(group="file-prefix", **options)
    )


def test_images_are_kept_apart_by_the_starts_of_their_file_names() -> None:
    found = read_grouped(by_owner())

    owners = [set(x.ravel().tolist()) for x in (found.arrays.x_train, found.arrays.x_test)]
    assert owners[1]
    assert not owners[0] & owners[1]
    assert [one.groups for one in found.description.splits] == [len(one) for one in owners]
    assert "by the start of the file names, set aside" in " ".join(found.description.summary)


def test_a_given_test_split_that_shares_groups_is_warned_of() -> None:
    parts = ("train/cat", "train/dog", "test/cat", "test/dog")
    warnings = read_grouped(by_owner(folders=parts)).description.warnings
    assert any("groups of the start of the file names" in one for one in warnings)


def test_names_that_have_no_two_equal_starts_are_warned_of() -> None:
    files = {f"{folder}/{folder}{n}.png": PNG for folder in "ab" for n in range(9)}
    warnings = read_grouped(files).description.warnings
    assert any("a group of its own in the start of the file names" in one for one in warnings)


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        (
            {f"{folder}/img_{n}.png": PNG for folder in "ab" for n in range(9)},
            {"group": "file-prefix"},
            "the start of the file names has 1 group among",
        ),
        (by_owner(), {"group": "owner"}, "expected the group 'file-prefix', which is the text"),
        (by_owner(), {"time": "taken"}, "or a table groups.csv beside the images"),
        (by_owner(), {"time": "file-prefix"}, "the column 'file-prefix' is for tables"),
    ],
)
def test_groups_and_times_that_the_files_do_not_have_are_refused(
    files: dict[str, bytes], options: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidDataset, match=re.escape(words)):
        intake.read(io.BytesIO(zipped(files)), ReadLimits(), ReadOptions(**options))


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_animated_images_are_named(format: str) -> None:
    image, other = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    moving = file_of(image, format, save_all=True, append_images=[other])

    found = read(tree("a", data=moving) | tree("b"))

    assert found.description.warnings[0] == (
        "animated images, of which only the first picture is read: 5, such as 'a/0.png'"
    )


def test_a_photograph_with_a_preview_is_not_animated() -> None:
    image = Image.fromarray(COLOUR)
    photograph = file_of(image, "MPO", save_all=True, append_images=[image.resize((2, 2))])

    found = read(tree("a", data=photograph) | tree("b"))

    assert not any("animated" in one for one in found.description.warnings)
