"""Large arrays are in files, and equal to what NumPy would have made."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import scratch
from core.errors import DiskFull


@pytest.fixture
def in_files(monkeypatch) -> None:
    """All arrays are in files, and blocks are small."""
    monkeypatch.setattr(scratch, "SMALL", 0)
    monkeypatch.setattr(scratch, "_BLOCK", 16)


@settings(max_examples=40)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    kind=st.sampled_from(["u1", "<f4", "f8", "?", "i8"]),
    order=st.sampled_from("CF"),
)
def test_arrays_in_files_are_those_of_numpy(shape, kind, order) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "SMALL", 0)
        patch.setattr(scratch, "_BLOCK", 16)
        x = np.asarray(np.random.default_rng(0).integers(0, 2, shape), kind, order=order)
        indices = np.arange(len(x))[::2]
        for found, expected in (
            (scratch.arranged(x, np.float64), x.astype(np.float64)),
            (scratch.arranged(np.moveaxis(x, -1, 0), x.dtype), np.moveaxis(x, -1, 0)),
            (scratch.copied([(x, indices)], x.dtype), x[indices]),
            (
                scratch.copied([(x, indices), (x, None)], "f8"),
                np.concatenate([x[indices], x]).astype("f8"),
            ),
            (scratch.filled(io.BytesIO(x.tobytes()), x.shape, x.dtype)[0], x),
        ):
            np.testing.assert_array_equal(found, expected)
            assert found.flags.c_contiguous
        assert scratch.value_range(x) == (x.min(), x.max())


def test_a_stream_of_another_length_is_noticed(in_files) -> None:
    for more, count in ((b"", 9), (b"1", 10), (b"123", 11)):
        _, found = scratch.filled(io.BytesIO(b"123456789" + more), (10,), np.uint8)
        assert found == count


def test_a_file_is_reserved_and_vanishes_with_its_array(in_files) -> None:
    def mapped() -> int:
        maps = Path("/proc/self/maps").read_text()
        return maps.count("(deleted)")

    before = mapped()
    array = scratch.empty((3, 4), np.float32)
    array[:] = 7
    assert mapped() == before + 1
    del array
    assert mapped() == before

    with pytest.raises(DiskFull, match="has no room for 1,152,921,504,606,846,976 bytes"):
        scratch.empty((2**30, 2**30), np.uint8)
