"""A data set as arrays: its validation, its storage format, its labels."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.labels import MIN_TRAIN_PER_CLASS, hint_of_spelling
from core.data.split_rule import AT_RANDOM, SplitRule
from core.data.stored_arrays import StoredArrays, write_arrays
from core.data.targets import CLASSIFICATION, MULTI_LABEL, REGRESSION
from core.errors import CorruptBlob, InvalidDataset
from core.protocol.contracts.datasets import DatasetSpec, SplitKind, SplitSpec, TableSpec, TextSpec

MAX_CLASSES = 1000
LARGEST_VALUE = 1e100  # of an example: sums and squares of larger values may overflow
MAX_TARGETS = 32
MIN_TRAIN_TARGETS, MIN_TEST_TARGETS = 8, 2  # examples of regression
LEAST_SPREAD = 1e-100  # of a target: squares of smaller differences vanish
_PARTS = {
    SplitKind.RANDOM: "part(s)", SplitKind.GIVEN: "part(s)", SplitKind.GROUP: "group(s)",
    SplitKind.TIME: "different time(s)",
}  # fmt: skip
_TYPES = (np.uint8, np.int32, np.float32, np.float64)  # of examples
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_KEYS, _RULE = "split_keys", "split_rule"  # an array, and a text about the arrays


@dataclass(frozen=True, slots=True)
class Arrays:
    """Examples and labels, split in train and test.

    Examples are uint8, float32 or float64, images (N, C, H, W), signals (N, C, L) or vectors
    (N, F), or the int32 token numbers of texts (N, 1, L); labels are int64, 0 … classes - 1, and
    name `class_names`. Of several labels for each example there is a matrix of 0 and 1 in their
    place, uint8 (N, classes); of regression float64 targets (N, targets), and no class names. A
    validation split that was given is part of the training examples; the rule knows which it is.
    """

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]
    class_names: tuple[str, ...]
    layout: str | None = None  # see DatasetSpec; not stored with the arrays
    image_mode: str | None = None  # likewise
    padded: str | None = None  # likewise
    table: TableSpec | None = None  # likewise
    target_names: tuple[str, ...] = ()  # of regression
    text: TextSpec | None = None  # as `table`
    pieces: tuple[str, ...] = ()  # of texts: the vocabulary, see `core.data.texts`
    rule: SplitRule = AT_RANDOM  # of the validation split
    split: SplitSpec | None = None  # see DatasetSpec; not stored with the arrays

    @property
    def task(self) -> str:
        """The kind of task that the labels are for."""
        if self.target_names:
            return REGRESSION
        is_matrix = self.y_train.ndim == 2 and self.y_train.dtype == np.uint8
        return MULTI_LABEL if is_matrix else CLASSIFICATION


def validate(arrays: Arrays, on_block: scratch.OnBlock = scratch.nothing) -> None:
    """Raise InvalidDataset unless a network can be trained and tested on the arrays."""
    if arrays.task == REGRESSION:
        _check_shapes(arrays, on_block)
        _check_all_targets(arrays)
    elif arrays.task == MULTI_LABEL:
        _check_label_sets(arrays, on_block)
    else:
        _check_classes(arrays, on_block)
    _check_rule(arrays)


def _check_rule(arrays: Arrays) -> None:
    """Raise InvalidDataset unless the training examples can be divided by the rule."""
    keys, kind = arrays.rule.keys, arrays.rule.kind
    if keys is None:
        return
    if keys.shape != arrays.y_train.shape[:1] or keys.dtype != np.int64:
        raise InvalidDataset(
            f"the keys of the split are {keys.dtype} of shape {keys.shape}; expected int64 of "
            f"shape {arrays.y_train.shape[:1]}, one for each training example"
        )
    if (found := len(np.unique(keys))) < 2:
        raise InvalidDataset(
            f"the training examples have {found} {_PARTS[kind]}; expected at least 2: one to "
            "train on and one to validate on"
        )


def _check_shapes(arrays: Arrays, on_block: scratch.OnBlock) -> None:
    """Raise InvalidDataset unless both splits hold examples of one shape."""
    if arrays.x_train.shape[1:] != arrays.x_test.shape[1:]:
        raise InvalidDataset(
            f"training examples have shape {arrays.x_train.shape[1:]}, "
            f"test examples {arrays.x_test.shape[1:]}; expected the same"
        )
    _check_examples("train", arrays.x_train, on_block)
    _check_examples("test", arrays.x_test, on_block)


def _check_classes(arrays: Arrays, on_block: scratch.OnBlock) -> None:
    classes = len(arrays.class_names)
    if not 2 <= classes <= MAX_CLASSES:
        only = "".join(arrays.class_names) if classes == 1 else ""
        advice = f": all examples are of class {only!r}, add some of another one" if only else ""
        raise InvalidDataset(f"found {classes} class(es); expected 2 to {MAX_CLASSES}{advice}")
    _check_shapes(arrays, on_block)
    _check_labels("train", arrays.y_train, len(arrays.x_train), classes)
    counts = np.bincount(arrays.y_train, minlength=classes)
    if counts.min() < MIN_TRAIN_PER_CLASS:
        rare = arrays.class_names[int(counts.argmin())]
        raise InvalidDataset(
            f"class {rare!r} has {counts.min()} training example(s); "
            f"expected at least {MIN_TRAIN_PER_CLASS}"
            f"{hint_of_spelling(rare, arrays.class_names)}"
        )
    _check_labels("test", arrays.y_test, len(arrays.x_test), classes)


def _check_label_sets(arrays: Arrays, on_block: scratch.OnBlock) -> None:
    """Raise InvalidDataset unless each label can be learned."""
    count = len(arrays.class_names)
    if not 2 <= count <= MAX_CLASSES:
        raise InvalidDataset(f"found {count} label(s); expected 2 to {MAX_CLASSES}")
    _check_shapes(arrays, on_block)
    for split in ("train", "test"):
        x, y = getattr(arrays, f"x_{split}"), getattr(arrays, f"y_{split}")
        if y.shape != (len(x), count) or y.dtype != np.uint8 or y.max() > 1:
            raise InvalidDataset(
                f"{split} labels are {y.dtype} of shape {y.shape}; expected 0 and 1 as uint8 of "
                f"shape {(len(x), count)}"
            )
    check_label_counts(arrays.y_train, arrays.class_names, MIN_TRAIN_PER_CLASS)


def check_label_counts(y: NDArray[np.uint8], names: Sequence[str], least: int) -> None:
    """Raise InvalidDataset for a label that too few examples have, or that all have."""
    for name, having in zip(names, y.sum(axis=0, dtype=np.int64).tolist(), strict=True):
        if having < least or having == len(y):
            raise InvalidDataset(
                f"label {name!r} is 1 in {having} of {len(y)} example(s); expected at least "
                f"{least} with it and one without: add examples or remove the label"
                f"{hint_of_spelling(name, names)}"
            )


def _check_all_targets(arrays: Arrays) -> None:
    """Raise InvalidDataset unless the targets can be learned and tested."""
    if len(arrays.target_names) > MAX_TARGETS:
        raise InvalidDataset(
            f"found {len(arrays.target_names)} targets; expected at most {MAX_TARGETS}"
        )
    for split, x, y, least in (
        ("train", arrays.x_train, arrays.y_train, MIN_TRAIN_TARGETS),
        ("test", arrays.x_test, arrays.y_test, MIN_TEST_TARGETS),
    ):
        _check_targets(split, y, (len(x), len(arrays.target_names)), least)
    _check_spread(arrays)


def _check_targets(split: str, y: NDArray[Any], shape: tuple[int, int], least: int) -> None:
    if y.shape != shape or y.dtype != np.float64:
        raise InvalidDataset(
            f"{split} targets are {y.dtype} of shape {y.shape}; expected float64 of shape {shape}"
        )
    check_enough(len(y), split, least)
    check_values(y, f"{split} targets")


def check_enough(count: int, split: str, least: int) -> None:
    """Raise InvalidDataset where there are too few examples for regression."""
    if count < least:
        raise InvalidDataset(
            f"found {count} {split} example(s); expected at least {least} for regression"
        )


def _check_spread(arrays: Arrays) -> None:
    """Raise InvalidDataset for a target that is the same for all training examples."""
    spread = np.ptp(arrays.y_train, axis=0)
    size = np.abs(arrays.y_train).max(axis=0)
    is_constant = spread <= np.maximum(LEAST_SPREAD, 4 * np.finfo(np.float64).eps * size)
    if is_constant.any():
        index = int(is_constant.argmax())
        raise InvalidDataset(
            f"target {arrays.target_names[index]!r} is {arrays.y_train[0, index]:g} for all "
            "training examples; expected different numbers: nothing could be learned"
        )


def _check_examples(split: str, x: NDArray[Any], on_block: scratch.OnBlock) -> None:
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise InvalidDataset(
            f"{split} examples have shape {x.shape}; "
            "expected (N, C, H, W), (N, C, length) or (N, features)"
        )
    if x.dtype not in _TYPES:
        raise InvalidDataset(
            f"{split} examples are {x.dtype}; expected uint8, int32, float32 or float64"
        )
    check_values(x, f"{split} examples", on_block)


def check_values(x: NDArray[Any], name: str, on_block: scratch.OnBlock = scratch.nothing) -> None:
    """Raise InvalidDataset unless all values are finite and not too large to compute with."""
    if x.dtype.kind != "f":
        return
    low, high = scratch.value_range(x, on_block)
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
        padded=arrays.padded,
        table=arrays.table,
        text=arrays.text,
        target_names=arrays.target_names,
        split=arrays.split,
        multi_label=arrays.task == MULTI_LABEL,
    )


def encode(arrays: Arrays) -> bytes:
    """The data set as safetensors; the names of classes or targets travel in the metadata."""
    file = io.BytesIO()
    write_arrays(file, *_stored(arrays))
    return file.getvalue()


def write(arrays: Arrays, path: Path) -> None:
    """Write what `encode` returns to a file, without a copy of the examples in memory."""
    with path.open("wb") as file:
        write_arrays(file, *_stored(arrays))


def _stored(arrays: Arrays) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """(the arrays, the texts about them) in the file of a data set."""
    found = {name: np.ascontiguousarray(getattr(arrays, name)) for name in _ARRAYS}
    metadata = {"class_names": json.dumps(list(arrays.class_names))}
    if arrays.target_names:
        metadata["target_names"] = json.dumps(list(arrays.target_names))
    if arrays.pieces:
        metadata["pieces"] = json.dumps(list(arrays.pieces))
    if arrays.rule.keys is not None:
        found[_KEYS], metadata[_RULE] = arrays.rule.keys, arrays.rule.kind.value
    return found, metadata


def decode(path: Path, on_block: scratch.OnBlock = scratch.nothing) -> Arrays:
    """The data set in a safetensors file; raises CorruptBlob if there is none.

    The examples stay in the file, which is mapped into memory: a process may read more of them than
    it has memory, and none may be written.
    """
    try:
        with path.open("rb") as file:
            stored = StoredArrays(file)
            metadata = stored.metadata
            names, targets, pieces = (
                tuple(json.loads(metadata.get(name, default)))
                for name, default in (("class_names", ""), ("target_names", "[]"), ("pieces", "[]"))
            )
            found: dict[str, Any] = {name: stored.all(name) for name in ("y_train", "y_test")}
            found |= {name: stored.mapped(name, path) for name in ("x_train", "x_test")}
            rule = AT_RANDOM
            if _RULE in metadata:
                rule = SplitRule(SplitKind(metadata[_RULE]), stored.all(_KEYS))
    except (CorruptBlob, TypeError, ValueError) as error:
        raise CorruptBlob(f"the stored data set cannot be read: {error}") from error
    arrays = Arrays(**found, class_names=names, target_names=targets, pieces=pieces, rule=rule)
    validate(arrays, on_block)
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
