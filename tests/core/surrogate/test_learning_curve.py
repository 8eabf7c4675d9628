"""The final values predicted from early ones, against known curves."""

import numpy as np
import pytest

from core.surrogate.learning_curve import LearningCurve

COUNT = 60
ENDS = 0.9 + 0.02 * np.random.default_rng(0).standard_normal(COUNT)
SHARES = np.exp(np.random.default_rng(1).uniform(np.log(0.02), 0.0, COUNT))
OWNERS = [str(number) for number in range(COUNT)]
NO_SIZES = np.zeros((COUNT, 1))


def measured(rate: float, rise: float) -> np.ndarray:
    """Values after the shares of a training, by the power law of the module."""
    power = SHARES**-rate
    lacking = np.log(1 / SHARES) if rate == 0 else (power - 1) / rate
    return np.median(ENDS) + power * (ENDS - np.median(ENDS)) - rise * lacking


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.5])
def test_a_value_grows_by_its_power_law(rate):
    curve = LearningCurve(float(np.median(ENDS)), rate, 0.03)
    np.testing.assert_allclose(curve.at_end(measured(rate, 0.03), -np.log(SHARES)), ENDS)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_the_curve_is_learned_from_networks_measured_once_each(rate):
    values, t = measured(rate, 0.03), -np.log(SHARES)
    curve = LearningCurve.of(values, t, NO_SIZES, OWNERS, 0.05)
    assert curve.rate == pytest.approx(rate, abs=0.3)
    errors = curve.at_end(values, t) - ENDS
    assert np.abs(errors - np.median(errors)).mean() < 0.015
    assert np.abs(np.median(errors)) < 0.02


def test_several_values_of_one_network_separate_the_rise_from_the_choice_of_networks():
    """Only the best half is measured again: without terms of their own they seem to rise more."""
    best = np.flatnonzero(np.median(ENDS) < ENDS)
    owners = [*OWNERS, *[OWNERS[index] for index in best]]
    t = np.concatenate([np.full(COUNT, 3.0), np.full(len(best), 1.0)])
    values = np.concatenate([ENDS, ENDS[best]]) - 0.01 * t
    sizes = np.zeros((len(t), 1))
    known = LearningCurve.of(values, t, sizes, owners, 0.05)
    unknown = LearningCurve.of(values, t, sizes, [str(k) for k in range(len(t))], 0.05)
    rises = [values[COUNT:] - values[best]]
    assert np.mean(rises) == pytest.approx(0.02)
    found, naive = (
        curve.at_end(np.array([0.9]), np.array([3.0])) - 0.9 for curve in (known, unknown)
    )
    assert found == pytest.approx(0.03, abs=0.01)
    assert naive > found + 0.005


def test_values_of_completed_trainings_do_not_change():
    curve = LearningCurve.of(ENDS, np.zeros(COUNT), NO_SIZES, OWNERS, 0.05)
    np.testing.assert_array_equal(curve.at_end(ENDS, np.zeros(COUNT)), ENDS)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_few_early_values_rise_a_little(count, share):
    t = np.full(count, -np.log(share))
    values = np.linspace(0.5, 0.6, count)
    curve = LearningCurve.of(values, t, NO_SIZES[:count], OWNERS[:count], 0.05)
    ends = curve.at_end(values, t)
    assert (np.diff(ends) > 0).all()
    assert ends.mean() > values.mean()
    assert ends.max() < 1.5


def test_without_values_there_is_no_curve():
    none = np.zeros(0)
    assert LearningCurve.of(none, none, np.zeros((0, 3)), [], 0.05) == LearningCurve()
