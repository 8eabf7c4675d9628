"""Seconds for a unit of each load, against another solver and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from core.graph.timing import PRIOR_WEIGHT, learn

PRIOR = (2.0, 3.0)


def test_one_measurement_scales_the_prior():
    assert learn([(5, 1)], [26.0], PRIOR) == pytest.approx((4.0, 6.0))


def test_many_exact_measurements_overrule_the_prior():
    loads = [(n, m) for n in range(1, 30) for m in range(1, 30)]
    seconds = [0.5 * n + 8 * m for n, m in loads]
    assert learn(loads, seconds, PRIOR) == pytest.approx((0.5, 8.0), rel=0.02)


def test_the_fit_minimises_relative_errors_and_the_distance_from_the_prior():
    rng = np.random.default_rng(0)
    X, t, w0 = rng.uniform(1, 9, (6, 2)), rng.uniform(1, 9, 6), np.array(PRIOR)
    s = np.exp(np.median(np.log(t / (X @ w0))))

    def loss(u: np.ndarray) -> float:
        errors = X @ (u * s * w0) / t - 1
        return float(errors @ errors + PRIOR_WEIGHT * (u - 1) @ (u - 1))

    found = np.array(learn(X.tolist(), t.tolist(), PRIOR)) / (s * w0)
    best = minimize(loss, [1.0, 1.0], bounds=[(0, None)] * 2, tol=1e-12)
    assert found == pytest.approx(best.x, abs=1e-4)


def test_no_load_takes_negative_time():
    """Time that falls with the second load would fit with a negative weight."""
    w = learn([(1, 1), (1, 2), (1, 3)], [3.0, 2.0, 1.0], PRIOR)
    assert min(w) >= 0
