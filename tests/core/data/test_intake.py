"""What is said about an upload: how it was understood, and what may be wrong with it."""

import gzip
import io
import zipfile
from typing import Any

import numpy as np
import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset

X = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
Y = np.arange(60) % 3


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((60, *shape))


def read(*, layout: str | None = None, **arrays: Any) -> Intake:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return intake.read(file, ReadLimits(), ReadOptions(layout=layout))


def read_bytes(data: bytes) -> Intake:
    return intake.read(io.BytesIO(data), ReadLimits())


@pytest.mark.parametrize(
    "names",
    ["x y", "X Y", "X y", "images labels", "data target", "features targets", "X_train y_train",
     "train_images train_labels", "trainX trainY", "xtrain ytrain", "train-data train-label"],
)  # fmt: skip
def test_arrays_go_by_the_names_that_people_give_them(names: str) -> None:
    x, y = names.split()

    found = read(**{x: X, y: Y})

    assert found.spec.input_shape == (1, 8, 8)
    assert (found.spec.train_examples, found.spec.test_examples) == (48, 12)


def test_arrays_without_names_are_examples_and_labels() -> None:
    file = io.BytesIO()
    np.savez(file, X, Y)

    found = intake.read(file, ReadLimits())

    assert found.spec.classes == 3
    assert "the first is taken as examples" in found.description.notes[0]


def test_own_splits_are_kept() -> None:
    found = read(
        x_train=X[:30], y_train=Y[:30], val_x=X[30:40], val_y=Y[30:40], X_test=X[40:], Y_test=Y[40:]
    )

    assert (found.spec.train_examples, found.spec.test_examples) == (40, 20)
    np.testing.assert_array_equal(found.arrays.x_test[:, 0], X[40:])
    assert [split.given for split in found.description.splits] == [True, True, True]
    assert "each search validates on the 10 examples" in found.description.notes[0]


def test_what_was_understood_is_said_in_sentences() -> None:
    found = read(x=X / 255, y=np.array(["cat", "dog", "emu"])[Y]).description

    assert found.summary == (
        "60 grey images of 8 × 8 pixels (axes NHW: three axes: grey images)",
        "3 classes of 20 examples: cat, dog, emu",
        "48 examples to train on, 12 to test on (a fifth of each class, set aside at random)",
        "values from 0 to 0.996078 (float64, kept as float32)",
        "task classification: each example has one of 3 labels",
    )
    assert found.format == "npz"
    assert found.splits[0].by_class == (16, 16, 16)
    assert found.warnings == ()


def test_a_layout_from_outside_goes_before_that_of_the_file() -> None:
    assert read(x=X, y=Y).description.kind == "images"
    found = read(x=X, y=Y, layout="NLC")
    assert (found.description.kind, found.spec.layout) == ("signals", "NLC")
    assert "60 signals of 8 steps and 8 channels (axes NLC: as given)" in found.description.summary


def test_repeated_examples_are_counted() -> None:
    x = np.arange(20, dtype=np.uint8).reshape(20, 1)
    y = np.arange(20) % 2
    found = read(
        x_train=np.concatenate([x, x[:3]]), y_train=np.concatenate([y, 1 - y[:1], y[1:3]]),
        x_test=np.concatenate([x[:4], [[200], [200]]]), y_test=[*y[:4], 0, 1],
    ).description  # fmt: skip

    counted = found.repetitions
    assert (counted.in_train, counted.in_test, counted.leaked) == (3, 1, 4)
    assert counted.contradictory == 1
    assert "4 of 6 test examples also occur in training" in found.warnings[0]
    assert "repetitions of earlier training examples: 3" in found.warnings[1]
    assert "with a different label: 1" in found.warnings[2]


@pytest.mark.parametrize(
    ("arrays", "warning"),
    [
        ({"y": np.repeat([0, 1], [5, 55])}, "class '1' has 44 training examples, class '0' 4"),
        ({"x": np.zeros((60, 4))}, "all values are equal"),
        ({"x": np.c_[noise(3), np.full(60, 0.1)]}, "feature 3 of 4, counted from 0, cannot be"),
        ({"x": np.stack([X, X * 0 + 7], 3)}, "channel 1 of 2, counted from 0, cannot be learned"),
        ({"x": np.full((60, 2), [1, 2])}, "features 0, 1 of 2, counted from 0, cannot be learned"),
        ({"x": noise(784)}, "give them as x.reshape(-1, 28, 28)"),
        (
            {"x": noise(3072)},
            "give them as x.reshape(-1, 32, 32, 3)",
        ),
        ({"x": noise(13, 13, 13)}, "give the layout NCHW"),
        ({"x": noise(64, 1)}, "look like signals"),
        ({"y": np.array(["a", "A", "b"])[Y]}, "differ only in capital letters"),
        ({"x_test": X, "y_test": Y * 0}, "no test example is of class 1, 2"),
    ],
)
def test_what_may_be_wrong_is_a_warning(arrays: dict[str, Any], warning: str) -> None:
    given = {"x": X, "y": Y} | arrays

    assert any(warning in one for one in read(**given).description.warnings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x93NUMPY\x01\x00", "a single npy file; labels are missing: give a folder or zip"),
        (b"\x89PNG\r\n\x1a\n", "a single image; give a folder or zip"),
        (b"\xff\xd8\xff\xe0", "a single image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a single image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "a sound; expected their samples as signals"),
        (b"fLaC\0\0\0\x22", "a sound"),
        (b"\x1f\x8b\x08", "the gzip file cannot be unpacked"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x80\x04\x95", "a pickle, which is never opened"),
        (b"PAR1", "the Parquet file claims a footer of"),
        (b"\0\0\x08\x03" + bytes(12), "a single IDX file; give a folder or zip"),
        (b"{'a': 1}\n", "found one column"),
        (b"", "the file is empty; expected data"),
        (b"<!DOCTYPE html><p>Sign in, please", "a web page, perhaps that of a sign-in; download"),
        (b"%PDF-1.7\n1,2", "a PDF document; save its table as CSV"),
        (b"hello", "of no known format; expected "),
        (
            b"MATLAB 5.0 MAT-file, Platform: GLNXA64",
            "a MATLAB file; save its arrays with numpy.savez",
        ),
        (b"@relation iris\n@attribute width numeric\n", "an ARFF file; save its table as CSV"),
        (b"7z\xbc\xaf'\x1c" + bytes(94), "an archive that is neither zip nor tar; unpack it"),
        (b"Rar!\x1a\x07\x01\0" + bytes(92), "an archive that is neither zip nor tar; unpack it"),
        (b"ARROW1\0\0" + bytes(92), "a Feather or Arrow file; save its table as Parquet"),
        (b"SQLite format 3\0" + bytes(84), "a database of SQLite; save the table as CSV"),
        (b"PK\x05\x06" + bytes(18), "it holds nothing; expected "),
    ],
)
def test_other_files_are_answered_with_what_to_do(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read_bytes(data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"0 0:5.1 1:3.5 2:1.4\n1 0:4.9 2:1.4\n",
        b"# Generated by dump_svmlight_file\n-1 1:0.5 9:1e-3 # a\n+1\n",
        b"2 qid:1 1:0.53 2:0.12\r\n1 qid:1 1:0.13",
        b"0,3 7:1\n2 1:-.5 4:2\n",
    ],
)
def test_a_file_of_libsvm_is_answered_with_how_to_save_its_arrays(text: bytes) -> None:
    many = text * (1 + 10_000 // len(text)) if text.endswith(b"\n") else text
    for data in (text, many, gzip.compress(text)):
        with pytest.raises(InvalidDataset) as caught:
            intake.read(io.BytesIO(data), ReadLimits())
        for word in ("LIBSVM", "load_svmlight_file", "numpy.savez('data.npz', x=x.toarray(), y=y)"):
            assert word in str(caught.value)


@pytest.mark.parametrize("table", [b"a,y\n1 2:3,a\n", b"1\n2\n", b"1 2 3\n4 5 6\n", b"at 1:20\n"])
def test_a_table_with_colons_or_blanks_is_no_file_of_libsvm(table: bytes) -> None:
    with pytest.raises(InvalidDataset) as caught:
        intake.read(io.BytesIO(table), ReadLimits())
    assert "LIBSVM" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"1" * 65_536 + b"x",
        b"1," * 40_000 + b"x",
        b"1 " + b"1:2 " * 20_000 + b"x",
        b"1 " + b" " * 65_536 + b"x",
        b"1 1:" + b"2." * 40_000,
    ],
    ids=["digits", "labels", "pairs", "blanks", "points"],
)
def test_long_rows_are_recognised_in_time_in_proportion_to_their_length(text: bytes) -> None:
    """Each would take minutes to hours if a pattern could match its parts in several ways."""
    with pytest.raises(InvalidDataset) as caught:
        read_bytes(text)
    assert "LIBSVM" not in str(caught.value)


def test_a_file_of_torch_is_answered_with_what_to_do() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("data.pkl", "byteorder", "data/0", "version"):
            archive.writestr(f"archive/{name}", b"1")

    with pytest.raises(InvalidDataset, match=r"written by torch\.save: .*with numpy\.savez"):
        read_bytes(file.getvalue())


def test_a_class_is_counted_as_it_is_in_the_file() -> None:
    with pytest.raises(InvalidDataset, match=r"class '0' has 2 example\(s\); expected at least 3"):
        read(x=X, y=np.repeat([0, 1], [2, 58]))
    assert read(x=X, y=np.repeat([0, 1], [3, 57])).spec.classes == 2


def test_the_first_example_that_is_not_finite_is_named() -> None:
    x = X.astype(float)
    x[[7, 9], 0, 0] = np.nan, np.inf
    with pytest.raises(InvalidDataset, match="in 2 of 60 examples, first in number 7"):
        read(x=x, y=Y)


def test_an_array_of_characters_that_do_not_exist_is_refused() -> None:
    file = io.BytesIO()
    np.savez(file, x=X, y=np.full(60, 0x7FFFFFFF, np.uint32).view("<U1"))
    with pytest.raises(InvalidDataset, match="y holds characters that do not exist"):
        intake.read(file, ReadLimits())


def test_an_archive_of_sounds_is_answered_with_their_form_as_signals() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("yes/1.WAV", b"RIFF")

    with pytest.raises(InvalidDataset, match=r"sounds, such as 'yes/1\.WAV'; expected their sam"):
        read_bytes(file.getvalue())
