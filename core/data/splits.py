"""Stratified splits: which examples are held out for validation."""

import numpy as np
from numpy.typing import NDArray


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
