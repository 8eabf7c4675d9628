"""Activations and the gate."""

import numpy as np
import pytest

from core.layers import GELU, Gate, HardSigmoid, HardSwish, ReLU6, Sigmoid, SiLU, Tanh


def test_relu6_clips_below_zero_and_above_six():
    y = ReLU6().forward({}, [np.array([[-2.0, 0.0, 0.5, 6.0, 7.0]])])
    assert y.tolist() == [[0.0, 0.0, 0.5, 6.0, 6.0]]


def test_a_gate_at_zero_is_exactly_one_and_stays_between_zero_and_two():
    for dtype in (np.float32, np.float64):
        gates = Gate().forward({}, [np.array([-1000, -1, 0, 1, 1000], dtype)])
        assert gates.dtype == dtype
        assert gates[2] == 1
        assert gates[[0, 4]].tolist() == [0, 2]
        assert gates[1] == pytest.approx(2 / (1 + np.e))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (SiLU(), [0.0, -1 / (1 + np.e), 0.0, np.e / (1 + np.e), 1000.0]),
        (GELU(), [0.0, -0.158655, 0.0, 0.841345, 1000.0]),
        (Sigmoid(), [0.0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0]),
        (HardSigmoid(), [0.0, 1 / 3, 0.5, 2 / 3, 1.0]),
        (HardSwish(), [0.0, -1 / 3, 0.0, 2 / 3, 1000.0]),
        (Tanh(), [-1.0, -0.761594, 0.0, 0.761594, 1.0]),
    ],
)
def test_smooth_activations_by_hand(layer, expected):
    for dtype in (np.float32, np.float64):
        y = layer.forward({}, [np.array([-1000, -1, 0, 1, 1000], dtype)])
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
