"""Targets of regression: the numbers to predict for each example, (n, targets) in float64.

Labels are targets where the person says so, where some are fractions, and where they are whole
numbers that hardly repeat, as prices are. Other whole numbers may mean either: they are taken as
classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import FEW_TRAIN_PER_CLASS
from core.errors import InvalidDataset

CLASSIFICATION, REGRESSION = "image-classification", "regression"  # kinds of `core.tasks`
MULTI_LABEL = "multi-label"  # likewise
CLASSES = f"classification ({CLASSIFICATION} in REST)"  # in messages
LABEL_TASKS = (CLASSIFICATION, MULTI_LABEL, REGRESSION)  # what labels may be taken for

_EXAMPLES_EACH = 20  # of a class, on average, where there are many
_FEW_VALUES = 20  # of classes, even where they are not counted from 0 or 1
_SUM_ERROR = 1e-3  # relative, of shares, which may be rounded


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of each split, and their names."""

    values: Mapping[str, NDArray[np.float64]]  # (n, targets)
    names: tuple[str, ...]
    reason: str  # why they are taken as targets


def targets_of(labels: Mapping[str, NDArray[Any]], task: str | None = None) -> Targets | None:
    """The labels as targets; None where they are classes.

    `task` is what the person wants, one of `LABEL_TASKS`; None: the labels decide. Raises
    InvalidDataset where targets are requested and labels are no numbers.
    """
    if task not in (None, *LABEL_TASKS):
        raise InvalidDataset(f"task is {task[:64]!r}; expected one of {', '.join(LABEL_TASKS)}")
    reason = "as given" if task is not None else _reason(labels)
    if task in (CLASSIFICATION, MULTI_LABEL) or not reason:
        return None
    values = {split: _columns(split, y) for split, y in labels.items()}
    counts = {y.shape[1] for y in values.values()}
    if len(counts) > 1:
        raise InvalidDataset(
            f"found {' and '.join(map(str, sorted(counts)))} targets in different splits; expected "
            "the same number in all"
        )
    (count,) = counts
    names = ("y",) if count == 1 else tuple(f"y{index}" for index in range(count))
    return Targets(values, names, reason)


def may_be_targets(y: NDArray[Any]) -> bool:
    """Whether labels that are taken as classes look like numbers to predict.

    They do where they have many values, which are not simply counted from 0 or 1 with many
    examples of each.
    """
    if not _are_numbers(y):
        return False
    values = np.unique(y)
    is_class = _are_counted(values) and len(y) >= _EXAMPLES_EACH * len(values)
    return len(values) > _FEW_VALUES and not is_class


def _reason(labels: Mapping[str, NDArray[Any]]) -> str:
    """Why labels are targets; "" where they are classes."""
    if _have_fractions(labels):
        return "the labels have fractions, so they are numbers to predict"
    if _hardly_repeat(labels):
        return "the labels are whole numbers that hardly repeat, so they are numbers to predict"
    return ""


def _hardly_repeat(labels: Mapping[str, NDArray[Any]]) -> bool:
    """Whether labels are many whole numbers, most of which occur too seldom to be classes.

    Those counted from 0 or 1 without a gap look like the numbers of classes.
    """
    if not all(_are_numbers(y) for y in labels.values()):
        return False
    values, counts = np.unique(
        np.concatenate([y.ravel() for y in labels.values()]), return_counts=True
    )
    is_seldom = bool((counts <= FEW_TRAIN_PER_CLASS).mean() > 0.5)
    return len(values) > _FEW_VALUES and is_seldom and not _are_counted(values)


def _are_numbers(y: NDArray[Any]) -> bool:
    """Whether there is one finite number for each example."""
    return y.dtype.kind in "iuf" and 0 < y.size == len(y) and bool(np.isfinite(y).all())


def _are_counted(values: NDArray[Any]) -> bool:
    """Whether sorted values are counted from 0 or 1, without a gap."""
    return bool(values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1)


def _have_fractions(labels: Mapping[str, NDArray[Any]]) -> bool:
    """Whether any label is a finite number that is not whole; shares of classes are none."""
    floats = [y for y in labels.values() if y.dtype.kind == "f"]
    if len(floats) < len(labels) or all(_are_shares(y) for y in floats):
        return False
    return any(bool((np.isfinite(y) & (y != np.round(y))).any()) for y in floats)


def _are_shares(y: NDArray[Any]) -> bool:
    """Whether each row has shares of several classes: all rows have the same sum."""
    if y.ndim != 2 or y.shape[1] < 2 or not len(y) or not np.isfinite(y).all():
        return False
    sums = y.sum(axis=1)
    return bool((y >= 0).all() and np.ptp(sums) <= _SUM_ERROR * sums.max())


def _columns(split: str, y: NDArray[Any]) -> NDArray[np.float64]:
    """The targets of a split as (n, targets)."""
    if y.dtype.kind not in "biuf":
        raise InvalidDataset(
            f"{split} targets are of type {y.dtype}; expected numbers to predict, or "
            f"the task {CLASSES}"
        )
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise InvalidDataset(
            f"{split} targets have shape {y.shape}; expected (N,) or (N, targets), one row for "
            "each example"
        )
    y = np.ascontiguousarray(y.reshape(len(y), -1), np.float64)
    if not np.isfinite(y).all():
        bad = ~np.isfinite(y).all(axis=1)
        raise InvalidDataset(
            f"{split} targets hold NaN or infinite values, in {int(bad.sum()):,} of {len(y):,} "
            f"examples, first in number {int(bad.argmax())}; expected finite ones: remove these "
            "examples"
        )
    return y
