"""Random token numbers, for networks whose input is text."""

import numpy as np
from numpy.typing import NDArray

from core.layers import Shape


def random_tokens(
    vocabulary: int, shape: Shape, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Random examples, (count, *shape): some tokens are frequent, and short ones are filled with 0.

    With equally frequent tokens the mean of their vectors would be much smaller than that of texts.
    """
    tokens = np.floor(vocabulary * rng.random((count, *shape)) ** 3)
    lengths = rng.integers(1, shape[-1] + 1, (count, *[1] * len(shape)))
    return np.where(np.arange(shape[-1]) < lengths, tokens, 0.0)
