"""Dense layers by hand, and layers without a bias."""

from dataclasses import replace

import numpy as np
import pytest

from core.layers import (
    Conv1d,
    Conv2d,
    Dense,
    DepthwiseConv1d,
    DepthwiseConv2d,
)


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


def test_a_dense_layer_by_hand():
    parameters = {"weight": np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]]), "bias": np.arange(3.0)}
    y = Dense(3).forward(parameters, [np.array([[1.0, 10.0], [0.0, 2.0]])])
    assert y.tolist() == [[21, -9, 5], [4, -1, 2]]


def test_initial_weights_keep_the_variance_behind_a_relu():
    """He et al. 2015: the variance is 2 / fan-in."""
    initial = Dense(400).initial_parameters([(500,)], np.random.default_rng(0), np.float64)
    assert initial["weight"].var() == pytest.approx(2 / 500, rel=0.02)
    assert not initial["bias"].any()


def test_initial_weights_of_convolutions_count_the_window_in_the_fan_in():
    rng = np.random.default_rng(0)
    initial = Conv2d(200, 5).initial_parameters([(8, 6, 6)], rng, np.float64)
    assert initial["weight"].var() == pytest.approx(2 / (8 * 25), rel=0.05)
    single = DepthwiseConv2d(5).initial_parameters([(2000, 6, 6)], rng, np.float64)
    assert single["weight"].var() == pytest.approx(2 / 25, rel=0.05)
