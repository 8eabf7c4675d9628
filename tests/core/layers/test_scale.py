"""Scaling of channels."""

import numpy as np
import pytest

from core.layers import Scale


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3)])
def test_scaling_multiplies_each_channel_by_its_factor(shape):
    rng = np.random.default_rng(0)
    x, factors = rng.normal(size=shape), rng.normal(size=(2, 3))
    y = Scale().forward({}, [x, factors])
    for n, c in np.ndindex(2, 3):
        np.testing.assert_array_equal(y[n, c], x[n, c] * factors[n, c])
