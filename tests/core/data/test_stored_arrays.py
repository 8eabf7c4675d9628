"""Rows of a stored data set are read by themselves; damaged files are refused."""

import io

import numpy as np
import pytest

from core.data.datasets import Arrays, encode
from core.data.stored_arrays import StoredArrays
from core.errors import CorruptBlob

X = np.random.default_rng(0).normal(size=(30, 2, 3)).astype(np.float32)
Y = np.arange(30) % 3
STORED = encode(Arrays(X, Y, X[:5], Y[:5], ("a", "b", "c")))


class Counted(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def test_chosen_rows_are_read_and_no_others() -> None:
    file = Counted(STORED)
    arrays = StoredArrays(file)
    header = file.count
    np.testing.assert_array_equal(arrays.rows("x_train", [7, 0, 29]), X[[7, 0, 29]])
    assert file.count - header == 3 * arrays.row_bytes("x_train")
    np.testing.assert_array_equal(arrays.first("y_train", 4), Y[:4])
    np.testing.assert_array_equal(arrays.first("y_train", 400), Y)


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, STORED[:9], STORED[:300], STORED[:-8]])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    file = io.BytesIO(content)
    with pytest.raises(CorruptBlob):
        read_both(file)


def read_both(file: io.BytesIO) -> None:
    arrays = StoredArrays(file)
    arrays.rows("x_train", [0, 29])
    arrays.first("y_train", 30)


def test_other_arrays_and_rows_are_refused() -> None:
    arrays = StoredArrays(io.BytesIO(STORED))
    for name, row in (("z", 0), ("y_train", 10**6)):
        with pytest.raises(CorruptBlob):
            arrays.rows(name, [row])
