"""Stratified splits: which examples are held out for validation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRATA, _EXAMPLES_A_STRATUM = 10, 5  # of targets: at most, and at least


def strata(y: NDArray[Any]) -> NDArray[np.int64]:
    """The groups of examples of which a split holds equal shares.

    They are the classes of labels (n,); of targets (n, targets) about equally many examples by the
    order of the first target, so that small splits cover its range. An example with several labels
    is in the group of the rarest of them, so that rare labels are in each part.
    """
    if y.ndim == 1:
        return np.asarray(y, np.int64)
    if y.dtype.kind in "biu":
        return _rarest_labels(y)
    count = max(1, min(_STRATA, len(y) // _EXAMPLES_A_STRATUM))
    ranks = np.empty(len(y), np.int64)
    ranks[np.argsort(y[:, 0], kind="stable")] = np.arange(len(y))
    return np.asarray(ranks * count // len(y))


def class_counts(y: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How many examples have each class, (n,) -> (classes,), or each label, (n, classes)."""
    if y.ndim == 2:
        return np.asarray(y.sum(axis=0, dtype=np.int64))
    return np.bincount(y, minlength=classes)


def _rarest_labels(y: NDArray[Any]) -> NDArray[np.int64]:
    """The rank of the rarest label of each example, 0 for none: (n, labels) -> (n,)"""
    order = np.argsort(-y.sum(axis=0, dtype=np.int64), kind="stable")  # the rarest last
    ranks = np.arange(1, y.shape[1] + 1)
    return np.asarray((y[:, order] * ranks).max(axis=1), np.int64)


def validation_split(
    y: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (training, validation), each sorted; the same for the same labels and seed.

    Every class gives about `fraction` of its examples, `round(fraction * n)` in all, and keeps
    at least one for training; a class of two or more also gives at least one.
    """  # y shape: (n,)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(y == label) for label in np.unique(y)]
    quotas = _quotas(np.array([len(m) for m in members]), fraction)
    held = [rng.permutation(m)[:quota] for m, quota in zip(members, quotas, strict=True)]
    validation = np.sort(np.concatenate(held)) if held else np.empty(0, dtype=np.intp)
    return np.setdiff1d(np.arange(len(y)), validation), validation


def final_split(
    y: NDArray[np.int64], validation: NDArray[np.intp], holdout: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (training, held out) of a final fit, each sorted.

    It trains on most of the validation split, too: about the share `holdout` of that split, at
    least one example, is held out.
    """
    _, chosen = validation_split(y[validation], holdout, seed)
    held = validation[chosen] if len(chosen) else validation[:1]
    return np.setdiff1d(np.arange(len(y)), held), held


def _quotas(sizes: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """How many examples each class gives: largest remainders, within [1, size - 1]."""
    exact = sizes * fraction
    quotas = np.floor(exact).astype(np.int64)
    missing = round(float(exact.sum())) - int(quotas.sum())
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[:missing]] += 1
    return np.asarray(np.clip(quotas, np.minimum(1, sizes - 1), sizes - 1))
