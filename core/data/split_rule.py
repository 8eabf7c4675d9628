"""How the validation split of a search is drawn from the examples for training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.group_split import group_split
from core.data.splits import final_split, strata, validation_split
from core.data.time_split import time_split
from core.protocol.contracts.datasets import SplitKind

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SplitRule:
    """A rule, and what it needs to know of each training example.

    The keys are, of a given split, 0 for training and 1 for validation, or from 2 on the groups of
    the validation examples where they are known; of groups, the number of the group; of times,
    their ranks. A random split has none.
    """

    kind: SplitKind = SplitKind.RANDOM
    keys: NDArray[np.int64] | None = None  # shape: (n,)

    def validation(self, y: NDArray[Any], fraction: float, seed: int) -> tuple[Indices, Indices]:
        """Indices (training, validation), each sorted, of the examples with these labels.

        `fraction` and `seed` have no effect on a given split, `seed` none on one by time.
        """
        if self.keys is None:
            return validation_split(strata(y), fraction, seed)
        if self.kind is SplitKind.GIVEN:
            return np.flatnonzero(self.keys == 0), np.flatnonzero(self.keys)
        return self._by_keys(strata(y), self.keys, fraction, seed)

    def final(
        self, y: NDArray[Any], validation: Indices, holdout: float, seed: int
    ) -> tuple[Indices, Indices]:
        """Indices (training, held out) of a final fit, each sorted.

        About the share `holdout` of the validation split is held out, as a split of its own by the
        same rule: other groups, or the latest examples. Where it is one group or one time, all of
        it is held out.
        """
        groups = strata(y)
        if self.keys is None or (self.kind is SplitKind.GIVEN and self.keys.max() <= 1):
            return final_split(groups, validation, holdout, seed)
        _, chosen = self._by_keys(groups[validation], self.keys[validation], holdout, seed)
        held = validation[chosen] if len(chosen) else validation
        return np.setdiff1d(np.arange(len(y)), held), held

    def _by_keys(
        self, groups: NDArray[np.int64], keys: NDArray[np.int64], fraction: float, seed: int
    ) -> tuple[Indices, Indices]:
        if self.kind is SplitKind.TIME:
            return time_split(keys, fraction)
        return group_split(groups, keys, fraction, seed)


AT_RANDOM = SplitRule()
