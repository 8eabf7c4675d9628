"""A data set as arrays: its validation, its storage format, its labels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.errors import CorruptBlob, InvalidDataset
from core.protocol.contracts import DatasetSpec, TableSpec

MAX_CLASSES = 1000
LARGEST_VALUE = 1e100  # of an example: sums and squares of larger values may overflow
MIN_TRAIN_PER_CLASS = 4  # so that a stratified validation split has at least one of each
_TYPES = (np.uint8, np.float32, np.float64)
_TENSORS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, slots=True)
class Arrays:
    """Examples and labels, split in train and test.

    Examples are uint8, float32 or float64, images (N, C, H, W), signals (N, C, L) or vectors
    (N, F); labels are int64, 0 … classes - 1, and name `class_names`.
    """

    x_train: NDArray[Any]
    y_train: NDArray[np.int64]
    x_test: NDArray[Any]
    y_test: NDArray[np.int64]
    class_names: tuple[str, ...]
    layout: str | None = None  # see DatasetSpec; not stored with the arrays
    image_mode: str | None = None  # likewise
    table: TableSpec | None = None  # likewise


def validate(arrays: Arrays) -> None:
    """Raise InvalidDataset unless a network can be trained and tested on the arrays."""
    classes = len(arrays.class_names)
    if not 2 <= classes <= MAX_CLASSES:
        raise InvalidDataset(f"found {classes} class(es); expected 2 to {MAX_CLASSES}")
    if arrays.x_train.shape[1:] != arrays.x_test.shape[1:]:
        raise InvalidDataset(
            f"training examples have shape {arrays.x_train.shape[1:]}, "
            f"test examples {arrays.x_test.shape[1:]}; expected the same"
        )
    _check_examples("train", arrays.x_train)
    _check_labels("train", arrays.y_train, len(arrays.x_train), classes)
    counts = np.bincount(arrays.y_train, minlength=classes)
    if counts.min() < MIN_TRAIN_PER_CLASS:
        rare = arrays.class_names[int(counts.argmin())]
        raise InvalidDataset(
            f"class {rare!r} has {counts.min()} training example(s); "
            f"expected at least {MIN_TRAIN_PER_CLASS}"
        )
    _check_examples("test", arrays.x_test)
    _check_labels("test", arrays.y_test, len(arrays.x_test), classes)


def _check_examples(split: str, x: NDArray[Any]) -> None:
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise InvalidDataset(
            f"{split} examples have shape {x.shape}; "
            "expected (N, C, H, W), (N, C, length) or (N, features)"
        )
    if x.dtype not in _TYPES:
        raise InvalidDataset(f"{split} examples are {x.dtype}; expected uint8, float32 or float64")
    check_values(x, f"{split} examples")


def check_values(x: NDArray[Any], name: str) -> None:
    """Raise InvalidDataset unless all values are finite and not too large to compute with."""
    if x.dtype.kind != "f":
        return
    low, high = float(x.min()), float(x.max())  # NaN if any value is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidDataset(f"{name} hold NaN or infinite values; expected finite ones")
    if (largest := max(-low, high)) > LARGEST_VALUE:
        raise InvalidDataset(
            f"{name} hold values up to {largest:.3g}; expected at most {LARGEST_VALUE:g}"
        )


def _check_labels(split: str, y: NDArray[np.int64], examples: int, classes: int) -> None:
    if y.shape != (examples,):
        raise InvalidDataset(
            f"{split} labels have shape {y.shape}; expected ({examples},), one per example"
        )
    if y.min() < 0 or y.max() >= classes:
        raise InvalidDataset(
            f"{split} labels run from {y.min()} to {y.max()}; expected 0 to {classes - 1}"
        )


def spec(arrays: Arrays, *, flip: bool) -> DatasetSpec:
    """The facts about the data set that are needed without opening it."""
    return DatasetSpec(
        input_shape=arrays.x_train.shape[1:],
        classes=len(arrays.class_names),
        class_names=arrays.class_names,
        train_examples=len(arrays.x_train),
        test_examples=len(arrays.x_test),
        dtype=str(arrays.x_train.dtype),
        flip=flip,
        layout=arrays.layout,
        image_mode=arrays.image_mode,
        table=arrays.table,
    )


def encode(arrays: Arrays) -> bytes:
    """The data set as safetensors; the class names travel in the metadata."""
    tensors = {name: np.ascontiguousarray(getattr(arrays, name)) for name in _TENSORS}
    return save(tensors, metadata={"class_names": json.dumps(list(arrays.class_names))})


def decode(path: Path) -> Arrays:
    """The data set in a safetensors file; raises CorruptBlob if there is none."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = json.loads((file.metadata() or {})["class_names"])
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (SafetensorError, KeyError, ValueError) as error:
        raise CorruptBlob(f"the stored data set cannot be read: {error}") from error
    arrays = Arrays(**tensors, class_names=tuple(names))
    validate(arrays)
    return arrays


def stratified_test_split(
    y: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (train, test), each sorted, with `share` of every class in test.

    A class of two or more examples has at least one in each; a single one is for training.
    """
    rng = np.random.default_rng(seed)
    test: list[NDArray[np.int64]] = []
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        test.append(rng.permutation(members)[:count])
    chosen = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(y)), chosen), chosen
