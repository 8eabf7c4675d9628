"""What an export knows about the examples that its network was trained on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from core.data.scratch import OnBlock, nothing
from core.data.statistics import ChannelStatistics
from worker.trainer.data.normalisation import Normalisation
from worker.trainer.data.target_scale import TargetScale

SAMPLE = 256  # examples on which an export is checked
_BLOCK = 1 << 16  # values that fit into the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedInputs:
    """The training examples as far as an export needs them: statistics, range and a sample."""

    normalisation: Normalisation
    low: tuple[float, ...]  # raw, by channel
    high: tuple[float, ...]
    #: The least and the largest standard deviation of the values of one normalised example.
    contrast: tuple[float, float]
    sample: NDArray[Any]  # some raw examples
    targets: TargetScale | None = None  # of regression
    pieces: tuple[str, ...] = ()  # of texts: the vocabulary

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        indices: NDArray[np.intp],
        normalisation: Normalisation,
        targets: TargetScale | None = None,
        pieces: tuple[str, ...] = (),
        on_block: OnBlock = nothing,
    ) -> Self:
        """Of the examples at these indices."""
        found = ChannelStatistics.of(x, indices, on_block)
        contrasts = np.concatenate([*_contrasts(x, indices, normalisation, on_block)])
        evenly = np.linspace(0, len(indices) - 1, min(SAMPLE, len(indices))).astype(np.intp)
        return cls(
            normalisation=normalisation,
            low=tuple(found.low.tolist()),
            high=tuple(found.high.tolist()),
            contrast=(float(contrasts.min()), float(contrasts.max())),
            sample=x[indices[evenly]],
            targets=targets,
            pieces=pieces,
        )


def _contrasts(
    x: NDArray[Any],
    indices: NDArray[np.intp],
    normalisation: Normalisation,
    on_block: OnBlock,
) -> Iterator[NDArray[np.float64]]:
    """The standard deviation of the values of each normalised example, block by block."""
    mean, std = np.array(normalisation.mean), np.array(normalisation.std)
    step = max(1, _BLOCK // x[0].size)
    for start in range(0, len(indices), step):
        block = x[indices[start : start + step]].astype(np.float64)
        block = block.reshape(*block.shape[:2], -1)
        yield ((block - mean[:, None]) / std[:, None]).std(axis=(1, 2))
        on_block()
