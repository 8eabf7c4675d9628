"""Data sets: their checks, and that storing changes nothing."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from core.data import intake
from core.data.datasets import (
    MAX_CLASSES,
    Arrays,
    decode,
    encode,
    spec,
    stratified_test_split,
    validate,
    write,
)
from core.data.files import ReadLimits
from core.errors import CorruptBlob, InvalidDataset
from core.protocol.contracts.datasets import DatasetSpec


def some(dtype: type = np.uint8, shape: tuple[int, ...] = (2, 3, 4)) -> Arrays:
    """A small data set of two classes."""
    x = np.arange(12 * np.prod(shape), dtype=dtype).reshape(12, *shape)
    y = np.repeat([0, 1], 6)
    return Arrays(x[:10], y[:10], x[10:], y[10:], ("früh", "spät"))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 7), (5,)])
def test_a_stored_data_set_is_read_back_unchanged(
    tmp_path: Path, dtype: type, shape: tuple[int, ...]
) -> None:
    arrays = some(dtype, shape)
    path = tmp_path / "data"
    path.write_bytes(encode(arrays))

    again = decode(path)

    for name in ("x_train", "y_train", "x_test", "y_test"):
        before, after = getattr(arrays, name), getattr(again, name)
        np.testing.assert_array_equal(after, before)
        assert after.dtype == before.dtype
    assert again.class_names == arrays.class_names


def test_equal_data_sets_are_equal_bytes(tmp_path: Path) -> None:
    arrays = some()
    turned = replace(arrays, x_train=np.asfortranarray(arrays.x_train))

    assert encode(turned) == encode(arrays)
    write(turned, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == encode(arrays)


def test_stored_examples_stay_in_their_file(tmp_path: Path) -> None:
    x = np.zeros((64, 4, 128, 128), np.uint8)
    write(replace(some(), x_train=x, y_train=np.arange(64) % 2, x_test=x[:2]), tmp_path / "data")

    tracemalloc.start()
    arrays = decode(tmp_path / "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 0.05 * x.nbytes
    assert not arrays.x_train.flags.writeable


@pytest.mark.parametrize(
    ("shape", "layout", "dtype"),
    [((1600, 64, 64, 3), "NHWC", np.uint8), ((400, 3, 64, 64), "NCHW", np.float32)],
)
def test_an_upload_takes_the_memory_of_blocks_of_its_examples(
    tmp_path: Path, shape: tuple[int, ...], layout: str, dtype: type
) -> None:
    x = np.random.default_rng(0).integers(0, 255, shape, np.uint8).astype(dtype)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(len(x)) % 2, layout=layout)

    tracemalloc.start()
    with (tmp_path / "data.npz").open("rb") as file:
        found = intake.read(file, ReadLimits())
    write(found.arrays, tmp_path / "stored")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 0.3 * x.nbytes + 6e6  # 6 MB of what is loaded when it is first needed


def test_the_spec_describes_the_data_set() -> None:
    assert spec(some(np.float32), flip=True) == DatasetSpec(
        input_shape=(2, 3, 4),
        classes=2,
        class_names=("früh", "spät"),
        train_examples=10,
        test_examples=2,
        dtype="float32",
        flip=True,
    )


GOOD = {name: getattr(some(), name) for name in ("x_train", "y_train", "x_test", "y_test")}
NAMES = {"class_names": json.dumps(["a", "b"])}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no safetensors",
        encode(some())[:-1],
        save(GOOD),
        save(GOOD, {"class_names": "[not json"}),
        save({name: GOOD[name] for name in ("x_train", "y_train")}, NAMES),
    ],
    ids=["empty", "other bytes", "cut off", "no names", "broken names", "no test split"],
)
def test_a_file_that_is_no_data_set_is_called_corrupt(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "data"
    path.write_bytes(data)

    with pytest.raises(CorruptBlob, match=r"^the stored data set cannot be read: .+$"):
        decode(path)


def test_a_data_set_is_checked_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(save(GOOD | {"y_train": GOOD["y_train"] + 1}, NAMES))

    with pytest.raises(InvalidDataset, match="train labels run from 1 to 2; expected 0 to 1"):
        decode(path)


FLOATS = some(np.float32)
INFINITE = FLOATS.x_train.copy()
INFINITE[0, 0, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"class_names": ("a",)}, "2 to 1000: all examples are of class 'a', add some of"),
        (
            {"class_names": ("a",) * (MAX_CLASSES + 1)},
            f"found {MAX_CLASSES + 1} class(es); expected 2 to {MAX_CLASSES}",
        ),
        ({"class_names": ("a", "b", "c")}, "class 'c' has 0 training example(s); expected at "),
        ({"x_test": FLOATS.x_test[:, :1]}, "examples have shape (2, 3, 4), test examples (1, 3"),
        ({"x_test": FLOATS.x_test[:0], "y_test": FLOATS.y_test[:0]}, "test examples have shape (0"),
        (
            {"x_train": FLOATS.x_train.astype(np.int16)},
            "are int16; expected uint8, int32, float32 or",
        ),
        ({"x_train": INFINITE}, "train examples hold NaN or infinite values; expected finite ones"),
        ({"y_train": FLOATS.y_train[:9]}, "(9,); expected (10,), one per example"),
        ({"y_train": FLOATS.y_train[:, None]}, "(10, 1); expected (10,), one per example"),
        ({"y_test": FLOATS.y_test - 2}, "test labels run from -1 to -1; expected 0 to 1"),
        ({"y_train": np.repeat([0, 1], [9, 1])}, "class 'spät' has 1 training example(s); expect"),
    ],
)
def test_a_data_set_that_cannot_be_trained_on_is_refused_in_one_line(
    wrong: dict[str, object], message: str
) -> None:
    validate(FLOATS)
    with pytest.raises(InvalidDataset) as caught:
        validate(replace(FLOATS, **wrong))  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_examples_need_two_three_or_four_axes() -> None:
    x = FLOATS.x_train[:, 0, 0, 0]

    with pytest.raises(InvalidDataset, match=r"shape \(10,\); expected \(N, C, H, W\), "):
        validate(replace(FLOATS, x_train=x, x_test=x[:2]))


@given(
    y=st.lists(st.integers(-2, 3), min_size=1, max_size=200).map(np.array),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_test_split_has_its_share_of_every_class(
    y: np.ndarray, share: float, seed: int
) -> None:
    train, test = stratified_test_split(y, share, seed)

    assert sorted([*train, *test]) == list(range(len(y)))
    assert sorted(train) == list(train)
    assert sorted(test) == list(test)
    for label, size in zip(*np.unique(y, return_counts=True), strict=True):
        tested = int((y[test] == label).sum())
        assert min(1, size - 1) <= tested < size
        assert tested == 1 or abs(tested - share * size) <= 1
    np.testing.assert_array_equal(test, stratified_test_split(y, share, seed)[1])


def test_the_seed_chooses_the_test_examples() -> None:
    y = np.repeat([0, 1], 50)

    assert not np.array_equal(
        stratified_test_split(y, 0.2, 1)[1], stratified_test_split(y, 0.2, 2)[1]
    )
