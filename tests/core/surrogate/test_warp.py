"""The scale of values: monotone, invertible, without a bend where values are good."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.surrogate.warp import Warp

NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
HISTORIES = st.lists(NUMBERS, min_size=1, max_size=40).map(np.array)


@given(values=HISTORIES, asked=st.lists(NUMBERS, min_size=2, max_size=20).map(np.array))
def test_it_keeps_the_order_and_can_be_undone(values, asked):
    warp = Warp.of(values, 0.05)
    ordered = np.unique(asked)
    seen = warp(ordered)
    assert np.isfinite(seen).all()
    assert (np.diff(seen) >= 0).all()
    far = np.abs(ordered - warp.center) < 1e6 * warp.unit  # beyond, rounding hides the rest
    np.testing.assert_allclose(
        warp.inverse(seen)[far], ordered[far], rtol=1e-6, atol=1e-6 * warp.unit
    )


@given(values=HISTORIES)
def test_observed_values_are_standard(values):
    seen = Warp.of(values, 0.05)(values)
    assert np.mean(seen) == pytest.approx(0, abs=1e-6)
    assert (
        np.std(seen) == pytest.approx(1, rel=1e-6) or np.ptp(values) <= 1e-9 * np.abs(values).max()
    )


def test_values_that_differ_by_less_than_their_noise_have_the_unit_of_the_noise():
    values = np.array([0.9, 0.9 + 1e-9])
    assert Warp.of(values, 0.05, noise=0.013).scale == 0.013
    assert Warp.of(values, 0.05, noise=1e-12).scale == pytest.approx(5e-10, rel=1e-6)
    assert Warp.of(np.array([0.5, 0.9]), 0.05, noise=0.013).scale == pytest.approx(0.2)


def test_values_better_than_usual_are_not_changed():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.9, 0.01, 50), [0.1, 0.2]])
    warp = Warp.of(values, 0.05)
    good = np.linspace(0.9, 0.95, 6)
    np.testing.assert_allclose(np.diff(warp(good)), 0.01 / warp.scale)
    bad = warp(np.array([0.8, 0.5, 0.2]))
    assert bad[0] - bad[1] < 0.3 / warp.scale / 2


@given(values=HISTORIES, asked=NUMBERS)
def test_the_slope_is_that_of_small_steps(values, asked):
    warp = Warp.of(values, 0.05)
    step = 1e-5 * max(warp.unit, abs(asked) * 1e-6)
    y = np.array([asked])
    if abs((asked - warp.center) / warp.unit + warp.knee) < 1e-3 or abs(asked) > 1e3 * warp.unit:
        return
    expected = (warp(y + step) - warp(y - step)) / (2 * step)
    np.testing.assert_allclose(warp.slope(y), expected, rtol=1e-3)
