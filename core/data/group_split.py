"""Splits that keep groups apart: all examples of a group are on the same side.

Notation
    n   examples
    S   strata: classes, or ranges of the first target
    t   shares to hold out, fraction · n_s for each stratum s
    h   examples held out so far, by stratum

Groups are taken in random order. One is held out if that brings h closer to t, by Σ |t_s - h_s|,
so that the split has about the requested size and about the shares of the classes.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def group_split(
    strata: NDArray[Any], groups: NDArray[Any], fraction: float, seed: int, least: int = 1
) -> tuple[Indices, Indices]:  # (n,), (n,) -> indices
    """Indices (training, held out), each sorted; no group has examples on both sides.

    About `fraction` of the examples is held out, at least one group, and at least one group stays.
    `least` examples of each stratum stay, or all of it, unless no group can be held out then. With
    one group alone nothing is held out.
    """
    counts = _Counts.of(strata, groups)
    rng = np.random.default_rng(seed)
    held = counts.chosen(rng.permutation(counts.groups), fraction, least)
    is_held = np.isin(counts.group_of, list(held))
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


class _Counts:
    """How many examples of each stratum each group has; most groups have few strata."""

    def __init__(self, group_of: NDArray[np.intp], stratum_of: NDArray[np.intp]) -> None:
        self.group_of = group_of
        self.groups = int(group_of.max()) + 1
        strata = int(stratum_of.max()) + 1
        pairs, sizes = np.unique(group_of * strata + stratum_of, return_counts=True)
        self._total = np.bincount(stratum_of, minlength=strata)
        starts = np.searchsorted(pairs, np.arange(self.groups + 1) * strata).tolist()
        cells = list(zip((pairs % strata).tolist(), sizes.tolist(), strict=True))
        #: Of each group its strata, and its examples of each.
        self._cells = [cells[start:end] for start, end in pairwise(starts)]

    @classmethod
    def of(cls, strata: NDArray[Any], groups: NDArray[Any]) -> "_Counts":
        """The counts of strata and groups with any values."""
        codes = [np.unique(values, return_inverse=True)[1] for values in (groups, strata)]
        return cls(*codes)

    def chosen(self, order: NDArray[np.intp], fraction: float, least: int) -> set[int]:
        """The groups to hold out, considered in this order."""
        missing = (fraction * self._total).tolist()
        spare = (self._total - np.minimum(least, self._total)).tolist()
        held: set[int] = set()
        for group in order.tolist():
            if self._can_go(group, spare) and self._gain(group, missing) > 0:
                held.add(group)
                for stratum, count in self._cells[group]:
                    missing[stratum] -= count
                    spare[stratum] -= count
        return held if held or self.groups == 1 else self._one(order, missing, spare)

    def _one(self, order: NDArray[np.intp], missing: list[float], spare: list[int]) -> set[int]:
        """The one group that fits best, of those that may go, if there are any."""
        able = [group for group in order.tolist() if self._can_go(group, spare)]
        return {max(able or order.tolist(), key=lambda group: self._gain(group, missing))}

    def _can_go(self, group: int, spare: list[int]) -> bool:
        return all(count <= spare[stratum] for stratum, count in self._cells[group])

    def _gain(self, group: int, missing: list[float]) -> float:
        """By how much Σ |t_s - h_s| falls where the group is held out."""
        return math.fsum(
            abs(missing[stratum]) - abs(missing[stratum] - count)
            for stratum, count in self._cells[group]
        )
