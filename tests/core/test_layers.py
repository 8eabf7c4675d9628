"""The functions of the layers, against loops written from their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.layers import AvgPool2d, BatchNorm, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d
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
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(3, 8), st.integers(3, 8)),
)
def test_pools_take_the_largest_and_the_mean_of_whole_windows(rng, size, stride, sides):
    x = rng.normal(size=(1, 2, *sides))
    largest = MaxPool2d(size, stride).forward({}, [x])
    mean = AvgPool2d(size, stride).forward({}, [x])
    rows, columns = (range(0, side - size + 1, stride) for side in sides)
    assert largest.shape == mean.shape == (1, 2, len(rows), len(columns))
    for c, (i, row), (j, column) in (
        (c, a, b) for c in (0, 1) for a in enumerate(rows) for b in enumerate(columns)
    ):
        window = x[0, c, row : row + size, column : column + size]
        assert largest[0, c, i, j] == window.max()
        assert mean[0, c, i, j] == pytest.approx(window.sum() / window.size, abs=1e-12)


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


def test_flattening_gives_each_channel_its_features_in_a_row():
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    assert Flatten().forward({}, [x])[0].tolist() == list(range(24))
    assert GlobalAvgPool2d().forward({}, [x]).tolist() == [[5.5, 17.5]]


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (Conv2d(4, 3), (2, 5, 6), 2 * 4 * 5 * 6 * 2 * 9),
        (Conv2d(4, 3, 2), (2, 5, 6), 2 * 4 * 3 * 3 * 2 * 9),
        (Dense(7), (5,), 70),
    ],
)
def test_flops_count_each_multiply_add_twice(layer, shape, flops):
    assert layer.flops([shape]) == flops
