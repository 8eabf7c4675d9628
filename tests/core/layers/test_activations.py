"""ReLU6 and the gate."""

import numpy as np
import pytest

from core.layers import Gate, ReLU6


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
