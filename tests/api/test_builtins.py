"""The built-in data sets, with and without their files, and how they get into storage."""

import gzip

import numpy as np
import pytest

from api import builtins
from api.builtins import BUILTINS
from api.imports import dataset_for, import_builtin
from api.store import blobs, datasets
from core.data.datasets import decode, validate
from core.errors import InvalidDataset, UnknownKind
from core.protocol.storage import Storage


def packed(content: bytes) -> bytes:
    """Gzipped without the time of packing, so that equal content gives equal bytes."""
    return gzip.compress(content, mtime=0)


def idx(array: np.ndarray) -> bytes:
    """A gzipped IDX file of bytes (format: yann.lecun.com/exdb/mnist)."""
    sizes = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return packed(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small fashion-mnist of 100 training and 20 test pictures."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    monkeypatch.setattr(builtins, "FASHION_FOLDER", tmp_path)
    return tmp_path


def test_digits_are_split_in_the_same_way_for_everybody():
    first, again = BUILTINS["digits"].load(), BUILTINS["digits"].load()
    validate(first)
    assert (len(first.x_train), len(first.x_test)) == (1438, 359)
    assert np.array_equal(first.x_test, again.x_test)
    train = {x.tobytes() for x in first.x_train}
    assert sum(x.tobytes() in train for x in first.x_test) < 3  # no leak beyond equal drawings
    assert not BUILTINS["digits"].flip


def test_fashion_mnist_is_read_from_its_files(folder):
    arrays = BUILTINS["fashion-mnist"].load()
    validate(arrays)
    assert (arrays.x_train.shape, arrays.x_test.shape) == ((100, 1, 28, 28), (20, 1, 28, 28))
    assert arrays.y_train[:11].tolist() == [*range(10), 0]
    assert arrays.class_names[0] == "T-shirt/top"
    assert BUILTINS["fashion-mnist"].flip


def test_missing_files_name_the_package(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InvalidDataset, match="dataset-fashion-mnist"):
        BUILTINS["fashion-mnist"].load()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not packed",
        packed(b""),
        packed(b"\0\0\x08\x01ab"),
        packed(b"\0\0\x08\x01" + (10**9).to_bytes(4, "big") + b"few"),
        packed(b"\0\0\x0d\x01" + (4).to_bytes(4, "big") + b"1234"),
        idx(np.zeros(5, np.uint8))[:-9],
    ],
)
def test_damaged_files_are_refused(folder, content):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(InvalidDataset, match="train-labels"):
        BUILTINS["fashion-mnist"].load()


def test_a_second_import_changes_nothing_but_its_time(world, tmp_path):
    storage = Storage(tmp_path.as_uri())
    first, again = (
        import_builtin(world.sessions, storage, world.caller(), "digits") for _ in range(2)
    )
    assert again == first.model_copy(update={"uploaded_at": again.uploaded_at})
    assert first.builtin
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_the_imported_data_set_is_the_loaded_one(world, tmp_path):
    storage = Storage(tmp_path.as_uri())
    made = dataset_for(world.sessions, storage, world.caller(), "digits")
    blob = blobs.reference(made.blob_key, made.blob_bytes)
    stored = decode(storage.local_path(blob, tmp_path / "cache"))
    assert np.array_equal(stored.x_train, BUILTINS["digits"].load().x_train)
    assert stored.class_names == tuple("0123456789")


def test_an_import_that_fails_leaves_nothing(world, folder, tmp_path):
    storage = Storage((tmp_path / "storage").as_uri())
    (folder / "train-images-idx3-ubyte.gz").unlink()
    caller = world.caller()
    with pytest.raises(InvalidDataset, match="install the Debian package dataset-fashion-mnist"):
        dataset_for(world.sessions, storage, caller, "fashion-mnist")
    with world.sessions.begin() as session:
        assert datasets.listing(session, caller).items == []
    assert not (tmp_path / "storage").exists()


def test_an_unknown_name_is_answered_with_the_known_ones(world, tmp_path):
    storage = Storage(tmp_path.as_uri())
    for find in (dataset_for, import_builtin):
        with pytest.raises(UnknownKind, match=r"'imagenet'.*: digits, fashion-mnist$"):
            find(world.sessions, storage, world.caller(), "imagenet")
