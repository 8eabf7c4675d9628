"""IDX files, packed or not, under their usual names."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.data.intake import Intake
from core.errors import InvalidDataset
from netmorph.uploads import packed

X = np.arange(30 * 12, dtype=np.uint8).reshape(30, 4, 3)
Y = (np.arange(30) % 3).astype(np.uint8)
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(length.to_bytes(4, "big") for length in array.shape)
    kind = array.dtype.str[1:]
    head = bytes([0, 0, CODES[kind], array.ndim])
    return head + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def read(files: dict[str, bytes], limits: ReadLimits | None = None) -> Intake:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return intake.read(buffer, limits or ReadLimits())


TRAIN = {"train-images-idx3-ubyte": idx(X), "train-labels-idx1-ubyte": idx(Y)}
TEST = {"t10k-images-idx3-ubyte": idx(X[:9]), "t10k-labels-idx1-ubyte": idx(Y[:9])}


@pytest.mark.parametrize("folder", ["", "mnist/"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_the_files_of_mnist_are_a_data_set(folder: str, is_packed: bool) -> None:
    files = TRAIN | TEST
    if is_packed:
        files = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}

    found = read({folder + name: data for name, data in files.items()})

    np.testing.assert_array_equal(found.arrays.x_train[:, 0], X)
    np.testing.assert_array_equal(found.arrays.y_test, Y[:9])
    assert found.description.format == "idx"


@pytest.mark.parametrize("kind", CODES)
def test_numbers_of_every_type_are_read(kind: str) -> None:
    x = X.astype(kind) if kind != "i1" else (X % 100).astype(kind)
    found = read({"images.idx3-ubyte": idx(x), "labels.idx1-ubyte": idx(Y), **TEST})

    np.testing.assert_array_equal(found.arrays.x_train[:, 0], x)


@pytest.mark.parametrize(("kind", "name"), [("f4", "float"), ("i4", "int"), ("i2", "short")])
def test_names_may_say_the_type_of_the_numbers(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / f"train-images-idx3-{name}").write_bytes(idx(X.astype(kind)))
    (tmp_path / f"train-labels-idx1-{name}.gz").write_bytes(gzip.compress(idx(Y.astype(kind))))

    with packed(tmp_path) as file, file.open("rb") as stream:
        found = intake.read(stream, ReadLimits())

    assert found.description.format == "idx"
    assert found.spec.train_examples + found.spec.test_examples == len(X)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train-images-idx3-ubyte": idx(X)},
            "found the files 'train-images-idx3-ubyte'; expected",
        ),
        (TEST, "found the files 't10k-images"),
        (TRAIN | {"more-idx3-ubyte": idx(X)}, "found the file 'more-idx3-ubyte'"),
        (TRAIN | {"train-images.idx": idx(X)}, "found the file 'train-images.idx'"),
        (TRAIN | {"train-labels-idx1-ubyte.gz": b""}, "comes twice"),
        (TRAIN | {"train-labels-idx1-ubyte": b""}, "is no IDX file"),
        (TRAIN | {"train-labels-idx1-ubyte": b"\0\0\x07\x01"}, "is no IDX file"),
        (TRAIN | {"train-labels-idx1-ubyte": idx(Y)[:-1]}, "claims shape (30,), 30 bytes, but"),
        (TRAIN | {"train-labels-idx1-ubyte": idx(Y) + b"1"}, "claims shape (30,), 30 bytes, but"),
        (
            TRAIN | {"train-labels-idx1-ubyte": b"\0\0\x08\x01\xff\xff\xff\xff"},
            "claims shape (4294967295,), 4294967295 bytes; expected at most",
        ),
        (TRAIN | {"train-labels-idx1-ubyte": b"\x1f\x8bnothing"}, "cannot be unpacked"),
    ],
)
def test_other_files_are_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(files)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_packed_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(idx(np.zeros((30, 1000, 1000), np.uint8)), mtime=0)
    with pytest.raises(InvalidDataset, match="30000000 bytes; expected at most"):
        read(TRAIN | {"train-images-idx3-ubyte": bomb}, ReadLimits(bytes=2**20))
