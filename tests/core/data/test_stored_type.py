"""Examples are stored in the smallest type that keeps what a network can learn from."""

import numpy as np
import pytest

from core.data.stored_type import stored_type

NOISE = np.random.default_rng(0).normal(size=(60, 3))


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.arange(256).reshape(64, 4), np.uint8),
        (np.arange(256).reshape(64, 4) + 1, np.float32),
        (np.ones((9, 3), bool), np.uint8),
        (NOISE, np.float32),
        (NOISE.astype(np.float16), np.float32),
        (NOISE * 1e-13, np.float32),
        (NOISE * 1e30, np.float32),
        (NOISE + 100, np.float32),
        (np.full((9, 3), 0.1), np.float32),  # constant: nothing to lose
        (NOISE + 1e8, np.float64),
        (NOISE * [1, 1, 1e-8] + [0, 0, 1], np.float64),
        (NOISE * 1e-42, np.float64),
        (NOISE * 1e39, np.float64),
        ((1e6 * NOISE).astype(np.int64) + 2**40, np.float64),
        ((NOISE + 1e8).astype(np.float32), np.float32),  # already lost
    ],
)
def test_the_type_keeps_the_differences_of_every_channel(x: np.ndarray, dtype: type) -> None:
    assert stored_type([x]) == dtype


def test_the_values_of_every_array_must_fit() -> None:
    assert stored_type([np.ones((9, 2), np.int64), np.full((9, 2), 256)]) == np.float32
    assert stored_type([NOISE, NOISE * 1e39]) == np.float64
