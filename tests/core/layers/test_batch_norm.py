"""Batch norm in evaluation mode."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.layers import BatchNorm
from tests.strategies import generators


@given(rng=generators, image=st.booleans())
def test_batch_norm_standardises_by_the_running_statistics(rng, image):
    x = rng.normal(size=(4, 3, 2, 2) if image else (4, 3))
    weight, bias, mean, var = [*rng.normal(size=(3, 3)), rng.uniform(0.5, 2, 3)]
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = dict(zip(names, (weight, bias, mean, var), strict=True))
    y = BatchNorm().forward(arrays, [x])
    for c in range(3):
        expected = (x[:, c] - mean[c]) / (var[c] + 1e-5) ** 0.5 * weight[c] + bias[c]
        np.testing.assert_allclose(y[:, c], expected, rtol=1e-12, atol=1e-12)
