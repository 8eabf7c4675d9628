"""The scale of the targets of regression: a network learns them standardised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from core.data.statistics import ChannelStatistics


@dataclass(frozen=True, slots=True)
class TargetScale:
    """Mean and standard deviation of each target, in the user's units."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, y: NDArray[np.float64], indices: NDArray[np.intp], names: Sequence[str]) -> Self:
        """By the statistics of the examples at these indices; y has the shape (n, targets).

        A target that does not vary among them has those of all examples.
        """
        found = ChannelStatistics.of(y, indices)
        if found.constant:
            found = ChannelStatistics.of(y)
        return cls(tuple(names), tuple(found.mean.tolist()), tuple(found.std.tolist()))

    def standardised(self, y: NDArray[np.float64]) -> NDArray[np.float32]:
        """(y - mean) / std, computed in float64: (n, targets) -> (n, targets)"""
        return np.asarray((y - np.array(self.mean)) / np.array(self.std), np.float32)

    def restored(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """The predictions in the user's units: (n, targets) -> (n, targets)

        `worker.trainer.export.predict` does the same, operation by operation.
        """
        return np.asarray(outputs.astype(np.float64) * np.array(self.std) + np.array(self.mean))
