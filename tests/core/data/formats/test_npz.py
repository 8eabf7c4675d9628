"""npz files: usual arrays are understood, and no claim of a file is trusted."""

import io
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import intake, scratch
from core.data.datasets import Arrays
from core.data.files import ReadLimits, open_files
from core.data.formats import FORMATS, ReadOptions
from core.errors import InvalidDataset

CLASSES = np.repeat([0, 1, 2], 10)
IMAGES = np.arange(30 * 4 * 5, dtype=np.uint8).reshape(30, 4, 5)

LIMITS = ReadLimits()


def packed(*, pack: Any = np.savez_compressed, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    pack(buffer, **arrays)
    return buffer.getvalue()


def zipped(entries: dict[str, bytes], **options: Any) -> bytes:
    """A zip file with any bytes under any names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    """An npy file with any header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def parse(data: bytes, limits: ReadLimits = LIMITS) -> Arrays:
    return intake.read(io.BytesIO(data), limits).arrays


def refusal(data: bytes, limits: ReadLimits = LIMITS) -> str:
    with pytest.raises(InvalidDataset) as caught:
        parse(data, limits)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what is understood -----------------------------------------------------------------------


def test_four_arrays_are_used_unchanged() -> None:
    data = packed(
        x_train=IMAGES, y_train=CLASSES, x_test=IMAGES[:5], y_test=CLASSES[:5], pack=np.savez
    )

    arrays = parse(data)

    np.testing.assert_array_equal(arrays.x_train, IMAGES[:, None])
    np.testing.assert_array_equal(arrays.y_train, CLASSES)
    np.testing.assert_array_equal(arrays.x_test, IMAGES[:5, None])
    np.testing.assert_array_equal(arrays.y_test, CLASSES[:5])
    assert arrays.class_names == ("0", "1", "2")
    assert arrays.x_train.dtype == np.uint8
    assert arrays.y_train.dtype == np.int64


@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train")])
def test_without_a_test_split_a_fifth_of_each_class_is_taken(names: tuple[str, str]) -> None:
    data = packed(**dict(zip(names, (IMAGES, CLASSES), strict=True)))

    arrays = parse(data)

    assert np.bincount(arrays.y_train).tolist() == [8, 8, 8]
    assert np.bincount(arrays.y_test).tolist() == [2, 2, 2]
    both = np.concatenate([arrays.x_train, arrays.x_test])[:, 0]
    assert sorted(both.reshape(30, -1).tolist()) == sorted(IMAGES.reshape(30, -1).tolist())
    np.testing.assert_array_equal(arrays.x_test, parse(data).x_test)


@pytest.mark.parametrize(
    ("given_shape", "taken_shape", "usual"),
    [
        ((30, 7), (7,), "NF"),
        ((30, 8, 9), (1, 8, 9), "NHW"),
        ((30, 8, 9, 3), (3, 8, 9), "NHWC"),
        ((30, 3, 8, 9), (3, 8, 9), "NCHW"),
        ((30, 8, 9, 4), (4, 8, 9), "NHWC"),
        ((30, 3, 3, 3), (3, 3, 3), "NHWC"),
    ],
)
def test_axes_are_put_in_order(
    given_shape: tuple[int, ...], taken_shape: tuple[int, ...], usual: str
) -> None:
    x = np.arange(np.prod(given_shape), dtype=np.float32).reshape(given_shape)

    arrays = parse(packed(x=x, y=CLASSES))

    assert arrays.x_train.shape[1:] == taken_shape
    assert arrays.layout == usual
    if len(given_shape) == 4 and given_shape[3] <= 4:  # the channels were last
        first = int(np.flatnonzero((x == arrays.x_train[0, 0, 0, 0]).any(axis=(1, 2, 3)))[0])
        np.testing.assert_array_equal(arrays.x_train[0], x[first].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("layout", "given_shape", "taken_shape"),
    [
        ("NCL", (30, 2, 9), (2, 9)),
        ("NLC", (30, 9, 2), (2, 9)),
        ("NL", (30, 9), (1, 9)),
        ("NF", (30, 9), (9,)),
        ("NHW", (30, 2, 9), (1, 2, 9)),
        ("NHWC", (30, 3, 4, 6), (6, 3, 4)),
        ("NCHW", (30, 3, 4, 3), (3, 4, 3)),
    ],
)
def test_a_layout_names_the_axes(
    layout: str, given_shape: tuple[int, ...], taken_shape: tuple[int, ...]
) -> None:
    x = np.arange(np.prod(given_shape), dtype=np.float32).reshape(given_shape)

    arrays = parse(packed(x_train=x, y_train=CLASSES, x_test=x, y_test=CLASSES, layout=layout))

    assert arrays.x_train.shape == arrays.x_test.shape == (30, *taken_shape)
    assert arrays.layout == layout
    named = dict(zip(layout, given_shape, strict=True)) | {"N": 1}
    at = {axis: length - 1 for axis, length in named.items()}  # the last value of the first example
    last = x[tuple(at[axis] for axis in layout)]
    assert arrays.x_train[0].ravel()[-1] == last
    channels_first = np.moveaxis(x, layout.index("C"), 1) if "C" in layout else x
    np.testing.assert_array_equal(arrays.x_train.ravel(), channels_first.ravel())


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (IMAGES.astype(np.int64), np.uint8),
        (IMAGES > 3, np.uint8),
        (IMAGES.astype(np.int64) - 1, np.float32),
        (IMAGES.astype(np.float64), np.float32),
        (IMAGES.astype(">f4"), np.float32),
        (np.asfortranarray(IMAGES), np.uint8),
    ],
)
def test_numbers_of_any_type_are_bytes_or_floats(x: np.ndarray, dtype: type) -> None:
    arrays = parse(packed(x_train=x, y_train=CLASSES, x_test=x, y_test=CLASSES))

    assert arrays.x_train.dtype == dtype
    assert arrays.x_train.flags.c_contiguous
    np.testing.assert_array_equal(arrays.x_train[:, 0], x.astype(dtype))


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (CLASSES * 10 - 10, ("-10", "0", "10")),
        (CLASSES.astype(np.float64), ("0", "1", "2")),
        (CLASSES[:, None].astype(np.uint8), ("0", "1", "2")),
        (np.array(["cat", "dog", "eel"])[CLASSES], ("cat", "dog", "eel")),
    ],
)
def test_labels_of_any_kind_become_classes(y: np.ndarray, names: tuple[str, ...]) -> None:
    arrays = parse(packed(x=IMAGES, y=y))

    assert arrays.class_names == names
    assert np.bincount(arrays.y_train).tolist() == [8, 8, 8]


def test_class_names_name_integer_labels() -> None:
    names = np.array(["zero", " one ", "two"])

    assert parse(packed(x=IMAGES, y=CLASSES, class_names=names)).class_names == (
        "zero",
        "one",
        "two",
    )


def kinds(data: bytes) -> list[str]:
    """The formats that recognise a file."""
    files = open_files(io.BytesIO(data), LIMITS)
    return [kind for kind in FORMATS if FORMATS[kind].recognises(files)]


def test_only_archives_of_npy_files_are_recognised() -> None:
    assert kinds(packed(x=IMAGES)) == ["npz"]
    assert kinds(zipped({"x.md": b"1"})) == []
    assert kinds(b"\x93NUMPY\x01\x00 and so on") == []
    assert kinds(b"") == []


# --- what is refused, and how it is said ------------------------------------------------------

NAN = IMAGES.astype(np.float32)
NAN[3, 1, 1] = np.nan
STRAY = np.where(np.arange(30) == 7, 3, CLASSES)
NAMES = np.array(["a", "b", "c"])


@pytest.mark.parametrize(
    ("arrays", "found", "expected"),
    [
        ({"x": NAN}, "NaN or infinite", "finite"),
        ({"x": np.full((30, 4), 1e300)}, "values up to 1e+300", "at most 1e+100"),
        ({"x": IMAGES[0, 0]}, "(5,)", "(N, features)"),
        ({"x": IMAGES[:, None, None]}, "(30, 1, 1, 4, 5)", "(N, C, H, W)"),
        ({"x": IMAGES[:0]}, "(0, 4, 5)", "(N, H, W)"),
        ({"x": IMAGES[:, :0]}, "(30, 0, 5)", "(N, H, W)"),
        ({"x": IMAGES[:29]}, "29 train examples", "30 labels"),
        ({"x": IMAGES.astype(complex)}, "x is of type complex128", "numbers"),
        ({"x": IMAGES.astype(str)}, "x is of type <U", "numbers"),
        ({"x": IMAGES.astype("M8[s]")}, "x is of type datetime64", "numbers"),
        ({"x": np.zeros(30, [("a", "f4")])}, "x is of type [('a', '<f4')]", "numbers"),
        ({"x": np.array([None] * 30)}, "x holds pickled objects", "numbers"),
        ({"y": np.array([None] * 30)}, "y holds pickled objects", "strings"),
        ({"y": CLASSES + 0.5, "class_names": NAMES}, "fractions", "integers or strings"),
        ({"y": np.where(CLASSES == 0, np.nan, CLASSES)}, "NaN", "integers or strings"),
        ({"y": CLASSES * 1e12}, "huge", "integers or strings"),
        ({"y": CLASSES.astype(np.uint64) * 2**63}, "9223372036854775808", str(2**31)),
        ({"y": np.eye(3)[CLASSES] * 0.5}, "(30, 3)", "(N,)"),
        ({"y": CLASSES[:0]}, "(0,)", "(N,)"),
        ({"y": CLASSES * 0}, "1 class(es)", "2 to 1000"),
        ({"y": np.arange(30)}, "class '0' has 1 example(s)", "at least 3"),
        ({"y": CLASSES - 1, "class_names": NAMES}, "from -1 to 1", "0 to 2"),
        ({"y": STRAY, "class_names": NAMES}, "from 0 to 3", "0 to 2"),
        ({"y": CLASSES, "class_names": NAMES[:1]}, "from 0 to 2", "0 to 0"),
        ({"layout": "NCL", "x": IMAGES[:, 0]}, "(30, 5)", "3 axes as layout 'NCL'"),
        ({"layout": "LCN"}, "'LCN'", "NCL"),
        ({"layout": np.array(["NHW", "NHW"])}, "['NHW', 'NHW']", "one text"),
        ({"layout": 3}, "layout is of type int64", "strings"),
        ({"class_names": np.array(["a", "a", "c"])}, "class_names", "different"),
        ({"class_names": np.array(["a", " ", "c"])}, "class_names", "non-empty"),
        ({"class_names": np.array(["a", "b" * 129, "c"])}, "class_names", "128 characters"),
        ({"class_names": np.array(["a", "b\nc", "d"])}, "unprintable", "plain text"),
        ({"class_names": np.arange(3)}, "class_names is of type int64", "strings"),
        ({"z": IMAGES}, "'z'", "x_train and y_train"),
        ({"x_test": IMAGES}, "['x', 'x_test', 'y']", "x_train and y_train"),
        ({"x_train": IMAGES}, "two of them train examples", "x_train and y_train"),
        ({"images": IMAGES}, "['images', 'x', 'y']", "x_train and y_train"),
        ({"classes": NAMES, "class_names": NAMES}, "['class_names', 'classes']", "once"),
        ({"layout": b"\xff"}, "the bytes b'\\xff'", "UTF-8"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused_in_one_line(
    arrays: dict[str, np.ndarray], found: str, expected: str
) -> None:
    message = refusal(packed(**({"x": IMAGES, "y": CLASSES} | arrays)))

    assert found in message
    assert expected in message


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x_test": IMAGES[:, :3]},
            "train examples have shape (1, 4, 5); test examples have shape (1, 3, 5); "
            "expected the same",
        ),
        (
            {"y_test": CLASSES[:9]},
            "found 30 test examples and 9 labels; expected one label for each example",
        ),
        (
            {"y_test": CLASSES + 1},
            "test label '3' does not occur in training; expected one of ('0', '1', '2')",
        ),
        (
            {"y_test": CLASSES - 1, "class_names": NAMES},
            "test labels run from -1 to 1; expected 0 to 2, the indices of the 3 class_names",
        ),
        (
            {"y_train": np.where(np.arange(30) < 1, 0, np.maximum(CLASSES, 1))},
            "class '0' has 1 training example(s); expected at least 2",
        ),
    ],
)
def test_train_and_test_must_fit_each_other(arrays: dict[str, np.ndarray], message: str) -> None:
    complete = {"x_train": IMAGES, "y_train": CLASSES, "x_test": IMAGES, "y_test": CLASSES}

    assert refusal(packed(**(complete | arrays))) == message


@pytest.mark.parametrize(
    "given_names",
    [["x"], ["y"], ["x_train"], ["x_train", "y_train", "x_test"], ["x", "y_test"]],
)
def test_missing_arrays_are_named(given_names: list[str]) -> None:
    data = packed(**{name: (IMAGES if name[0] == "x" else CLASSES) for name in given_names})

    message = refusal(data)

    assert message.startswith(f"found arrays {sorted(given_names)}; expected x and y")


# --- files that were made to do harm ----------------------------------------------------------

GOOD_NPY = packed(x=IMAGES, pack=lambda file, x: np.save(file, x))


@pytest.mark.parametrize(
    "name",
    ["../x.npy", "..\\x.npy", "/etc/x.npy", "a\\b\\x.npy", "a/b/x.npy", "a/../x.npy", "z.npy"],
)
def test_paths_and_strange_names_are_refused(name: str) -> None:
    message = refusal(zipped({name: GOOD_NPY}))

    assert message.startswith("found an array ")
    assert "; expected x and y, or x_train and y_train, " in message


@pytest.mark.parametrize("name", ["x/", "x", ".npy", "__MACOSX/x.npy"])
def test_an_archive_without_arrays_is_of_no_known_format(name: str) -> None:
    assert "the archive is of no known format: it holds " in refusal(zipped({name: GOOD_NPY}))


def test_an_array_may_come_once() -> None:
    buffer = io.BytesIO(packed(x=IMAGES, y=CLASSES))
    with (
        zipfile.ZipFile(buffer, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("x.npy", GOOD_NPY)

    assert "found 'x.npy' twice; expected it once" in refusal(buffer.getvalue())


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (b"", "no readable npy header"),
        (b"not npy at all", "no readable npy header"),
        (npy(""), "no readable npy header"),
        (npy("((("), "no readable npy header"),
        (npy("(" * 9_000), "no readable npy header"),
        (npy("-" * 9_000 + "1"), "no readable npy header"),
        (npy("{'descr': '<f4'}"), "no readable npy header"),
        (npy("__import__('os').system('true')"), "no readable npy header"),
        (npy(HEADER % "(1,)" + " " * 20_000), "no readable npy header"),
        (GOOD_NPY.replace(b"\x01\x00", b"\x09\x00", 1), "no readable npy header"),
        (npy(HEADER % "(-1, 4)"), "(-1, 4)"),
        (npy(HEADER % "(10**9, 10**9)"), "no readable npy header"),
        (npy(HEADER % "(1000000000, 1000000000)", b"1234"), "holds 4"),
        (npy(HEADER % f"(0x{'f' * 9_000},)", b"1234"), "not a readable npz file"),
        (npy(HEADER % "(2, 2)", b"1234"), "claims shape (2, 2) of float32, 16 bytes, but holds 4"),
        (npy(HEADER % "(1,)", b"12345678"), "claims shape (1,) of float32, 4 bytes, but holds 8"),
        (npy(HEADER.replace("<f4", "|O") % "(1,)", b"cos\nsystem\n."), "pickled objects"),
        (npy(HEADER.replace("<f4", "|V0") % "(9,)"), "x is of type |V0"),
        (npy(HEADER.replace("<f4", "<nonsense") % "(9,)"), "no readable npy header"),
    ],
)
def test_forged_headers_are_refused(array: bytes, found: str) -> None:
    assert found in refusal(zipped({"x.npy": array}))


def claiming(data: bytes, size: int) -> bytes:
    """The zip file of one entry, whose directory claims that it unpacks to `size` bytes."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<L", size) + data[at + 4 :]


def directory_of(entries: int) -> bytes:
    """A zip file that has only a directory (in the format for large files)."""
    start = b"PK\x03\x04"
    one = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, *([0] * 8), 1, *([0] * 6)) + b"a"
    length, at = len(one) * entries, len(start)
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, length, at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + length, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return start + one * entries + end + locator + last


ZEROS = zipped({"x.npy": npy(HEADER % "(1048576,)", bytes(4 * 2**20))})
GIGABYTES = npy(HEADER % "(1000000000,)", b"1234")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (zipped({"x.npy": GIGABYTES}), "4000000000 bytes, but holds 4"),
        (claiming(zipped({"x.npy": GIGABYTES}), 2_000_000_000), "claims to unpack"),
        (claiming(zipped({"x.npy": GIGABYTES}), 4_000_000_000), "expected at most 2147483648"),
        (claiming(ZEROS, 300 * 2**20), "expected a ratio of at most 200"),
        (claiming(ZEROS, 600_000), "but holds 599"),
        (zipped({f"{n}.npy": b"" for n in range(33)}), "found 33 arrays; expected at most 32"),
        (directory_of(200_000), "not a readable npz or zip file: its directory has"),
    ],
    ids=["header", "directory", "sum", "zeros", "short claim", "arrays", "long directory"],
)
def test_a_bomb_costs_no_memory(data: bytes, found: str) -> None:
    tracemalloc.start()
    try:
        message = refusal(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found in message
    assert peak < 8 * 2**20


def test_all_arrays_together_are_limited() -> None:
    data = packed(x=IMAGES, y=CLASSES)

    total = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist())
    parse(data, ReadLimits(bytes=total))
    assert refusal(data, ReadLimits(bytes=total - 1)) == (
        f"the files unpack to {total} bytes; expected at most {total - 1}"
    )


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_a_truncated_file_is_refused_wherever_it_was_cut(pack: Any) -> None:
    data = packed(x=IMAGES, y=CLASSES, pack=pack)

    for length in range(0, len(data), 7):
        expected = "not a readable npz or zip file: " if length > 1 else "empty; expected data"
        assert refusal(data[:length]).startswith(f"the file is {expected}")


def test_encrypted_and_unusual_packing_is_refused() -> None:
    encrypted = bytearray(packed(x=IMAGES))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1

    assert "'x.npy' is encrypted or packed in an unknown way" in refusal(bytes(encrypted))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", GOOD_NPY)
    assert "'x.npy' is encrypted or packed in an unknown way" in refusal(buffer.getvalue())


GOOD = [packed(x=IMAGES, y=CLASSES, pack=pack) for pack in (np.savez, np.savez_compressed)]


@settings(max_examples=500)
@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1))
def test_any_damage_is_harmless_or_refused(good: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(good)
    for index, value in changes:
        data[index % len(data)] = value

    try:
        arrays = parse(bytes(data))
    except InvalidDataset:
        return
    assert len(arrays.x_train) + len(arrays.x_test) == 30


def test_an_array_may_unpack_to_the_limit_of_the_ratio_and_no_further():
    packed_size = len(ZEROS) - 200  # without the directory, about
    ratio = 4 * 2**20 // packed_size
    with pytest.raises(InvalidDataset, match="expected a ratio of at most"):
        parse(ZEROS, ReadLimits(ratio=int(0.7 * ratio), small=2**20))
    with pytest.raises(InvalidDataset, match="found arrays"):  # x alone: the ratio is no obstacle
        parse(ZEROS, ReadLimits(ratio=2 * ratio, small=2**20))


def test_the_ratio_counts_for_all_dense_arrays_together() -> None:
    """Sorted labels and sparse masks pack as well as a bomb, but need little memory."""
    sorted_labels = np.repeat([0, 1, 2], 20_000)
    data = packed(x=np.zeros((60_000, 2), np.uint8), y=sorted_labels)
    assert len(parse(data).x_train) == 48_000

    together = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist())
    parse(data, ReadLimits(small=together))
    assert "expected a ratio of at most 200" in refusal(data, ReadLimits(small=together - 1))


@pytest.mark.parametrize("kind", ["u1", "<f4", ">f8", "?", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_large_arrays_are_read_from_a_file_on_the_disk(tmp_path, monkeypatch, kind, order, pack):
    """Those that are not packed are not copied."""
    monkeypatch.setattr(scratch, "SMALL", 16)
    x = np.asarray(np.random.default_rng(0).integers(0, 2, (30, 4, 5)), kind, order=order)
    pack(tmp_path / "data.npz", x=x, y=CLASSES)

    with (tmp_path / "data.npz").open("rb") as file:
        found = FORMATS["npz"].read(open_files(file, LIMITS), LIMITS, ReadOptions())
        taken = intake.read(file, LIMITS).arrays

    read = found.parts["train"].x
    np.testing.assert_array_equal(read, x)
    is_mapped = pack is np.savez and order == "C" and kind != ">f8"
    assert read.flags.writeable is not is_mapped
    assert {*taken.x_train.ravel().tolist()} == {0, 1}


def test_a_large_array_that_was_damaged_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "SMALL", 16)
    file = tmp_path / "data.npz"
    np.savez(file, x=IMAGES, y=CLASSES)
    data = bytearray(file.read_bytes())
    data[data.index(IMAGES.tobytes()) + 7] ^= 1
    file.write_bytes(data)

    with file.open("rb") as upload, pytest.raises(InvalidDataset, match=r"CRC-32.*x\.npy"):
        intake.read(upload, LIMITS)
