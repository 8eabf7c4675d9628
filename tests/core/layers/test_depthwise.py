"""Depthwise convolutions against a loop written from their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.layers import DepthwiseConv2d
from tests.strategies import generators


@given(
    rng=generators,
    kernel=st.sampled_from((1, 3, 5)),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_each_channel_is_convolved_with_its_own_kernel(rng, kernel, stride, sides):
    x = rng.normal(size=(1, 2, *sides))
    weight, bias = rng.normal(size=(2, 1, kernel, kernel)), rng.normal(size=2)
    y = DepthwiseConv2d(kernel, stride).forward({"weight": weight, "bias": bias}, [x])
    for c, i, j in np.ndindex(*y.shape[1:]):
        total = bias[c]
        for u, v in np.ndindex(kernel, kernel):
            row, column = i * stride + u - kernel // 2, j * stride + v - kernel // 2
            if 0 <= row < sides[0] and 0 <= column < sides[1]:
                total += weight[c, 0, u, v] * x[0, c, row, column]
        assert y[0, c, i, j] == pytest.approx(total, abs=1e-10)
