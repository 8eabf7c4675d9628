"""Convolutions against loops written from their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.layers import Conv1d, Conv2d, DepthwiseConv1d, DepthwiseConv2d
from tests.strategies import generators


@given(
    rng=generators,
    kernel=st.sampled_from((1, 3, 5)),
    stride=st.integers(1, 3),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_convolution_is_the_sum_over_the_window_with_zeros_outside(rng, kernel, stride, size):
    layer = Conv2d(2, kernel, stride)
    x = rng.normal(size=(1, 3, *size))
    weight, bias = rng.normal(size=(2, 3, kernel, kernel)), rng.normal(size=2)
    y = layer.forward({"weight": weight, "bias": bias}, [x])
    for f, i, j in np.ndindex(*y.shape[1:]):
        total = bias[f]
        for c, u, v in np.ndindex(3, kernel, kernel):
            row, column = i * stride + u - kernel // 2, j * stride + v - kernel // 2
            if 0 <= row < size[0] and 0 <= column < size[1]:
                total += weight[f, c, u, v] * x[0, c, row, column]
        assert y[0, f, i, j] == pytest.approx(total, abs=1e-10)


@given(
    rng=generators,
    kernel=st.sampled_from((1, 3, 5)),
    stride=st.integers(1, 3),
    length=st.integers(1, 9),
)
def test_a_signal_is_convolved_as_an_image_of_one_row(rng, kernel, stride, length):
    x = rng.normal(size=(2, 3, length))
    for one, two, shape in (
        (Conv1d(2, kernel, stride), Conv2d(2, kernel, stride), (2, 3)),
        (DepthwiseConv1d(kernel, stride), DepthwiseConv2d(kernel, stride), (3, 1)),
    ):
        weight, bias = rng.normal(size=(*shape, kernel)), rng.normal(size=shape[0])
        middle = np.zeros((*shape, kernel, kernel))
        middle[:, :, kernel // 2] = weight
        expected = two.forward({"weight": middle, "bias": bias}, [x[:, :, None]])[:, :, 0]
        found = one.forward({"weight": weight, "bias": bias}, [x])
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
