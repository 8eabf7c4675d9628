"""How a user's network has its inputs prepared: (x / scale - mean) / std for each channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netmorph.errors import ClientError

EPSILON = 1e-5  # that a batch norm adds to the variance

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Preparation:
    """(x / scale - mean) / std, where x is an example as the data set stores it.

    `mean` and `std` have one number, or one for each channel.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def affine(self, channels: int) -> tuple[Array, Array]:
        """The factor and the shift of each channel: y = factor x + shift; each (channels,)

        Raises ClientError for another number of values, and for a scale or std that is not above
        zero.
        """
        mean = _by_channel("mean", self.mean, channels)
        std = _by_channel("std", self.std, channels)
        if not (np.isfinite(self.scale) and self.scale > 0 and (std > 0).all()):
            raise ClientError(
                f"the preparation of the inputs has scale {self.scale:g} and std {self.std}; "
                "expected numbers above 0"
            )
        return 1 / (self.scale * std), -mean / std


def _by_channel(name: str, values: tuple[float, ...], channels: int) -> Array:
    """The values, one for each channel."""
    if len(values) not in (1, channels) or not np.isfinite(values).all():
        raise ClientError(
            f"the preparation of the inputs has {name} {values}; expected one finite number, or "
            f"{channels}, one for each channel"
        )
    return np.broadcast_to(np.asarray(values, float), (channels,)).copy()


def as_batch_norm(factor: Array, shift: Array) -> dict[str, NDArray[np.float32]]:
    """The parameters of a batch norm that computes factor x + shift; of (channels,) each."""
    values = {
        "weight": factor * np.sqrt(1 + EPSILON),
        "bias": shift,
        "running_mean": np.zeros_like(shift),
        "running_var": np.ones_like(shift),
    }
    return {name: array.astype(np.float32) for name, array in values.items()}
