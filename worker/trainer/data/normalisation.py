"""How examples are normalised before a network reads them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.scratch import OnBlock, nothing
from core.data.statistics import ChannelStatistics
from core.protocol.contracts import DatasetSpec

_NAMED = 10  # constant channels, at most
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


def constant_in_words(spec: DatasetSpec, normalisation: Normalisation) -> str:
    """Which channels or features no network can learn from; empty where there are none."""
    constant = normalisation.constant
    if not constant:
        return ""
    noun = "feature" if len(spec.input_shape) == 1 else "channel"
    named = ", ".join(str(channel) for channel in constant[:_NAMED])
    more = f" and {len(constant) - _NAMED} more" if len(constant) > _NAMED else ""
    return (
        f"{noun}{'s' * (len(constant) > 1)} {named}{more} of {spec.input_shape[0]}, counted from "
        "0, cannot be learned from: the same value in all training examples"
    )
