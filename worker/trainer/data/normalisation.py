"""How examples are normalised before a network reads them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.scratch import OnBlock, nothing
from core.data.statistics import ChannelStatistics

_DARKEST = 3.0  # standard deviations between the mean and what lies beyond the border of an image


@dataclass(frozen=True, slots=True)
class Normalisation:
    """(x - mean) / std for each channel (of an image or a signal) or each feature (of a vector)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    constant: tuple[int, ...] = ()  # the channels that do not vary
    in_float64: bool = False  # how it is computed: float32 would lose differences of a channel

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        indices: NDArray[np.intp] | None = None,
        on_block: OnBlock = nothing,
    ) -> "Normalisation":
        """By the statistics of the examples at these indices, by default of all.

        A constant channel becomes zero.
        """
        found = ChannelStatistics.of(x, indices, on_block)
        # Of a channel that varies by rounding errors, these stay small.
        size = np.where(found.low == found.high, 1.0, np.maximum(1.0, np.abs(found.mean)))
        std = np.where(found.std == 0, size, found.std)
        return cls(
            mean=tuple(found.mean.tolist()),
            std=tuple(std.tolist()),
            constant=found.constant,
            in_float64=not found.fit_float32,
        )

    @property
    def black(self) -> tuple[float, ...]:
        """The raw value beyond the border of an image, by channel.

        Zero is the most frequent colour at the border of images; where it is far from all values,
        a dark one is used instead.
        """
        return tuple(
            mean if channel in self.constant else min(max(0.0, mean - far), mean + far)
            for channel, (mean, far) in enumerate(
                zip(self.mean, (_DARKEST * std for std in self.std), strict=True)
            )
        )


#: Of token numbers, which stay as they are.
TOKENS = Normalisation(mean=(0.0,), std=(1.0,))
