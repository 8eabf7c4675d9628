"""Fitting a surrogate: its landmarks, its hyper-parameters, its schedule."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmarks.histories import history
from core.similarity.edit_distance import Floats
from core.surrogate import fitting
from core.surrogate.fitting import MAX_LANDMARKS, Observation, fit, scheduled
from core.surrogate.kernels import KERNELS
from tests.core.surrogate.test_gaussian_process import (
    KNOWN,
    OBSERVATIONS,
    UNSEEN,
    naive_posterior,
    posterior,
)

every_kernel = pytest.mark.parametrize("kernel", list(KERNELS))


@every_kernel
@pytest.mark.parametrize("std", [0.0, 0.05])
@pytest.mark.parametrize("value", [0.0, 0.7, -1e6])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_or_equal_values_are_well_defined(kernel, count, value, std):
    observations = [Observation(one, value, std) for one in KNOWN[:count]]
    mean, spread = posterior(fit(observations, kernel, landmarks=KNOWN[:2]), [*KNOWN, *UNSEEN])
    np.testing.assert_allclose(mean, value if count else 0.0, rtol=1e-9, atol=1e-9)
    assert np.isfinite(spread).all()
    assert (spread > 0).all()


@every_kernel
def test_two_values_that_agree_by_chance_leave_others_uncertain(kernel):
    """As of two roots that classify as many validation examples correctly, but for rounding."""
    observations = [
        Observation(one, value, 0.013) for one, value in zip(KNOWN, (0.9, 0.9 + 1e-9), strict=False)
    ]
    _, stds = posterior(fit(observations, kernel), UNSEEN)
    assert (stds > 0.001).all()


@every_kernel
def test_a_fit_repeats_itself(kernel):
    once, again = (posterior(fit(OBSERVATIONS, kernel), UNSEEN) for _ in "12")
    np.testing.assert_array_equal(once, again)


@every_kernel
def test_the_newest_observations_are_landmarks_at_once(kernel):
    """Hyper-parameters are learned from the first ones; the process is exact for all of them."""
    surrogate = fit(OBSERVATIONS, kernel, learned_from=26)
    assert set(surrogate.geometry.landmarks.names) == {one.fingerprint for one in KNOWN}
    assert fit(OBSERVATIONS[:26], kernel).noise == surrogate.noise
    asked = [*UNSEEN, *KNOWN]
    mean, std = surrogate.standard_posterior(surrogate.geometry.points(asked))
    expected, covariance = naive_posterior(surrogate, OBSERVATIONS, asked)
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(std**2, covariance.diagonal(), rtol=1e-5, atol=1e-8)


def test_the_best_landmarks_are_those_with_the_highest_final_values():
    """Among many networks, one that was stopped early may be the best despite its low value."""
    trials = history(MAX_LANDMARKS + 60, seed=5)
    best = max(trials, key=lambda trial: float(trial.value or 0))
    observations = [
        Observation(trial.architecture, float(trial.value or 0) - 0.2, fidelity=0.1)
        if trial.number % 2 == best.number % 2
        else Observation(trial.architecture, float(trial.value or 0))
        for trial in trials
    ]
    landmarks = set(fit(observations).geometry.landmarks.names)
    halves = [[t for t in trials if t.number % 2 == parity] for parity in (0, 1)]
    shares = [np.mean([t.architecture.fingerprint in landmarks for t in half]) for half in halves]
    assert abs(shares[0] - shares[1]) < 0.25


@pytest.mark.parametrize("n", [0, 1, 5, 24, 25, 100, 5000])
def test_the_schedule_leaves_out_a_small_share(n):
    first = scheduled(n)
    assert first <= n <= max(24, 1.16 * first + 1)
    assert scheduled(first) == first


@every_kernel
def test_more_observations_than_landmarks_are_all_used(kernel):
    trials = history(MAX_LANDMARKS + 20, seed=5)
    surrogate = fit([Observation(t.architecture, float(t.value or 0)) for t in trials], kernel)
    assert len(surrogate.geometry.landmarks) == MAX_LANDMARKS
    assert len(surrogate) == len(trials)
    assert np.isfinite(posterior(surrogate, UNSEEN)).all()


def test_of_many_networks_the_landmarks_are_a_fair_sample_and_the_best():
    trials = history(2 * MAX_LANDMARKS, seed=5)
    observations = [Observation(t.architecture, float(t.value or 0)) for t in trials]
    geometry = fit([*observations, *observations[:7]]).geometry
    landmarks = {str(name) for name in geometry.landmarks.names}
    numbers = [t.number for t in trials if t.architecture.fingerprint in landmarks]
    best = sorted(trials, key=lambda t: -float(t.value or 0))[: MAX_LANDMARKS // 2]
    assert len(numbers) == len(geometry.landmarks) == MAX_LANDMARKS
    assert landmarks >= {t.architecture.fingerprint for t in best}
    assert max(np.diff([0, *numbers, len(trials)])) <= 5  # every fourth, or about


@every_kernel
def test_fitting_finds_hyper_parameters_better_than_the_priors_mode(kernel):
    trials = history(40, seed=6)
    values = np.array([float(t.value or 0) for t in trials])
    surrogate = fit([Observation(t.architecture, float(t.value or 0)) for t in trials], kernel)
    points = surrogate.geometry.points([t.architecture for t in trials])
    y = surrogate.warp(values)
    found = surrogate.kernel(points, points) + surrogate.noise**2 * np.eye(len(y))
    kind = KERNELS[kernel]
    usual = kind.at(np.array(kind.centers), surrogate.geometry)
    before = usual(points, points) + 0.2**2 * np.eye(len(y))

    def log_density(matrix: Floats) -> float:
        return float(multivariate_normal(np.zeros(len(y)), matrix, allow_singular=True).logpdf(y))

    assert log_density(found) > log_density(before)


def test_a_fit_that_fails_is_tried_from_another_start(caplog):
    """A slope that points up at the mode ends a descent there, and not from the second start."""

    def loss(z: Floats) -> tuple[float, Floats]:
        sign = -1 if np.abs(z).max() < 0.05 else 1
        return float(((z - 1) ** 2).sum()), sign * 2 * (z - 1)

    found = fitting._mode(loss, 3)
    np.testing.assert_allclose(found, 1.0, atol=1e-3)
    assert "trying another start" in caplog.text


def test_a_fit_without_a_finite_loss_is_the_priors_mode():
    found = fitting._mode(lambda z: (float("nan"), np.full(3, np.nan)), 3)
    assert found.tolist() == [0.0, 0.0, 0.0]


def test_of_many_networks_hyper_parameters_are_fitted_to_the_fair_sample_alone(monkeypatch):
    """The best of many values are high by luck, too: with them noise would seem smaller."""
    fitted, fit_theta = [], fitting._fit_theta

    def recorded(kind, geometry, points, *values):
        fitted.extend(points.names.tolist())
        return fit_theta(kind, geometry, points, *values)

    monkeypatch.setattr(fitting, "_fit_theta", recorded)
    trials = history(MAX_LANDMARKS + 40, seed=5)
    fit([Observation(t.architecture, float(t.value or 0)) for t in trials], "edit")
    numbers = [t.number for t in trials if t.architecture.fingerprint in fitted]
    assert len(fitted) == len(numbers) == MAX_LANDMARKS // 2
    assert max(np.diff(numbers)) <= 3
