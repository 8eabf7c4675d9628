"""The functions of the layers, against loops written from their definitions."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import InvalidArchitecture
from core.layers import (
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
    Flatten,
    Gate,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
    ReLU6,
    Scale,
    Zero,
)
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


@given(rng=generators, size=st.integers(1, 3), stride=st.integers(1, 3), length=st.integers(3, 9))
def test_pools_of_signals_take_the_largest_and_the_mean_of_whole_windows(rng, size, stride, length):
    x = rng.normal(size=(1, 2, length))
    largest = MaxPool1d(size, stride).forward({}, [x])
    mean = AvgPool1d(size, stride).forward({}, [x])
    starts = range(0, length - size + 1, stride)
    assert largest.shape == mean.shape == (1, 2, len(starts))
    for i, start in enumerate(starts):
        window = x[0, :, start : start + size]
        np.testing.assert_array_equal(largest[0, :, i], window.max(axis=1))
        np.testing.assert_allclose(mean[0, :, i], window.mean(axis=1), atol=1e-12)


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


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv1d(4, 3, 2), (2, 7)),
        (Conv2d(4), (2, 5, 6)),
        (DepthwiseConv1d(), (2, 7)),
        (DepthwiseConv2d(5, 2), (2, 5, 6)),
        (Dense(4), (5,)),
    ],
)
def test_a_layer_without_bias_sums_as_one_whose_bias_is_zero(layer, shape):
    rng = np.random.default_rng(0)
    weight, bias = (rng.normal(size=one) for one in layer.parameter_shapes([shape]).values())
    x, plain = rng.normal(size=(3, *shape)), replace(layer, bias=False)
    assert set(plain.parameter_shapes([shape])) == {"weight"}
    expected = layer.forward({"weight": weight, "bias": 0 * bias}, [x])
    np.testing.assert_array_equal(plain.forward({"weight": weight}, [x]), expected)


@given(
    rng=generators,
    size=st.integers(2, 5),
    stride=st.integers(1, 3),
    sides=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    data=st.data(),
)
def test_padded_pools_take_the_largest_and_the_mean_of_what_is_there(
    rng, size, stride, sides, data
):
    padding = data.draw(st.integers(1, size // 2))
    assume(min(sides) + 2 * padding >= size)
    x = rng.normal(size=(1, 2, *sides)) - 3  # padding by zeros would be the largest
    largest = MaxPool2d(size, stride, padding).forward({}, [x])
    present = AvgPool2d(size, stride, padding).forward({}, [x])
    counted = AvgPool2d(size, stride, padding, count_include_pad=True).forward({}, [x])
    corners = [range(-padding, side + padding - size + 1, stride) for side in sides]
    assert largest.shape == present.shape == counted.shape == (1, 2, *map(len, corners))
    for c, (i, row), (j, column) in product((0, 1), *map(enumerate, corners)):
        rows, columns = slice(max(row, 0), row + size), slice(max(column, 0), column + size)
        window = x[0, c, rows, columns]
        assert largest[0, c, i, j] == window.max()
        assert present[0, c, i, j] == pytest.approx(window.mean(), abs=1e-12)
        assert counted[0, c, i, j] == pytest.approx(window.sum() / size**2, abs=1e-12)


@given(rng=generators, size=st.integers(2, 5), stride=st.integers(1, 3), length=st.integers(3, 9))
def test_a_signal_is_pooled_with_padding_as_an_image_whose_rows_are_equal(
    rng, size, stride, length
):
    x, padding = rng.normal(size=(2, 3, length)), size // 2
    image = np.repeat(x[:, :, None], size, axis=2)
    for one, two in (
        (MaxPool1d(size, stride, padding), MaxPool2d(size, stride, padding)),
        (AvgPool1d(size, stride, padding), AvgPool2d(size, stride, padding)),
    ):
        expected = two.forward({}, [image])[:, :, 0]
        np.testing.assert_allclose(one.forward({}, [x]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_a_pool_of_three_with_padding_keeps_the_sides_and_is_passed_by_a_skip(kind):
    shape = (2, 7, 6)[: 1 + kind.spatial_axes]
    assert kind(3, 1, 1).output_shape([shape]) == shape
    assert kind(3, 1, 1).shortcut([shape]) is None
    assert kind(3, 2, 1).shortcut([shape]) == kind(3, 2, 1)


@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_padding_beyond_half_a_window_is_refused(kind):
    with pytest.raises(InvalidArchitecture, match="padding 2; expected 0 to 1, half its size"):
        kind(3, 1, 2)


def test_padding_that_is_not_there_cannot_be_counted():
    with pytest.raises(InvalidArchitecture, match="expected a padding of at least 1"):
        AvgPool2d(3, 1, 0, True)


def test_relu6_clips_below_zero_and_above_six():
    y = ReLU6().forward({}, [np.array([[-2.0, 0.0, 0.5, 6.0, 7.0]])])
    assert y.tolist() == [[0.0, 0.0, 0.5, 6.0, 6.0]]


@pytest.mark.parametrize(
    ("stride", "shape", "expected"),
    [
        (1, (3, 5, 4), (3, 5, 4)),
        (2, (3, 5, 4), (3, 3, 2)),
        (3, (3, 8), (3, 3)),
        (1, (5,), (5,)),
    ],
)
def test_a_zero_operation_reduces_as_a_convolution_and_ignores_even_what_overflowed(
    stride, shape, expected
):
    y = Zero(stride).forward({}, [np.full((2, *shape), np.inf, np.float32)])
    assert y.shape == (2, *expected)
    assert y.dtype == np.float32
    assert not y.any()


def test_a_vector_has_no_places_to_stride_over():
    with pytest.raises(InvalidArchitecture, match=r"expected an image .* or a signal"):
        Zero(2).output_shape([(5,)])


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


def test_signals_are_flattened_and_averaged_as_images_are():
    x = np.arange(8.0).reshape(1, 2, 4)
    assert Flatten().forward({}, [x])[0].tolist() == list(range(8))
    assert GlobalAvgPool1d().forward({}, [x]).tolist() == [[1.5, 5.5]]


def test_a_gate_at_zero_is_exactly_one_and_stays_between_zero_and_two():
    for dtype in (np.float32, np.float64):
        gates = Gate().forward({}, [np.array([-1000, -1, 0, 1, 1000], dtype)])
        assert gates.dtype == dtype
        assert gates[2] == 1
        assert gates[[0, 4]].tolist() == [0, 2]
        assert gates[1] == pytest.approx(2 / (1 + np.e))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (2, 3)])
def test_scaling_multiplies_each_channel_by_its_factor(shape):
    rng = np.random.default_rng(0)
    x, factors = rng.normal(size=shape), rng.normal(size=(2, 3))
    y = Scale().forward({}, [x, factors])
    for n, c in np.ndindex(2, 3):
        np.testing.assert_array_equal(y[n, c], x[n, c] * factors[n, c])


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        (Conv2d(4, 3), (2, 5, 6), 2 * 4 * 5 * 6 * 2 * 9),
        (Conv2d(4, 3, 2), (2, 5, 6), 2 * 4 * 3 * 3 * 2 * 9),
        (Conv1d(4, 3), (2, 6), 2 * 4 * 6 * 2 * 3),
        (Conv1d(4, 5, 2), (2, 7), 2 * 4 * 4 * 2 * 5),
        (DepthwiseConv1d(5), (2, 7), 2 * 2 * 7 * 5),
        (DepthwiseConv2d(5), (2, 7, 6), 2 * 2 * 7 * 6 * 25),
        (AvgPool1d(3, 1), (2, 7), 2 * 5 * 3),
        (MaxPool2d(3, 1), (2, 7, 6), 2 * 5 * 4 * 9),
        (MaxPool2d(3, 1, 1), (2, 7, 6), 2 * 7 * 6 * 9),
        (Zero(2), (2, 7, 6), 0),
        (Dense(7), (5,), 70),
    ],
)
def test_flops_count_each_multiply_add_twice(layer, shape, flops):
    assert layer.flops([shape]) == flops
