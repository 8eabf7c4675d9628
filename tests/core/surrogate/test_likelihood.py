"""The likelihood of a Gaussian process, against the density of SciPy and against small steps."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmarks.histories import history
from core.similarity.edit_distance import Floats
from core.surrogate.kernels import KERNELS, Geometry
from core.surrogate.likelihood import negative_log_likelihood

every_kernel = pytest.mark.parametrize("kernel", list(KERNELS))

TRIALS = history(12, seed=3)
KNOWN = [trial.architecture for trial in TRIALS]
VALUES = np.array([float(trial.value or 0) for trial in TRIALS])
NO_SLOPES = np.zeros((0, 12, 12)), np.zeros((0, 12))


def test_the_value_is_minus_the_log_density_but_for_its_constant():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(12, 12))
    matrix, y = factor @ factor.T + np.eye(12), rng.normal(size=12)
    value, slopes = negative_log_likelihood(matrix, y, *NO_SLOPES)
    expected = -multivariate_normal(np.zeros(12), matrix).logpdf(y) - 6 * np.log(2 * np.pi)
    assert value == pytest.approx(expected)
    assert slopes.shape == (0,)


def test_a_matrix_that_is_not_definite_is_lifted_until_it_is():
    indefinite = np.diag([*np.ones(11), -0.5])
    value, _ = negative_log_likelihood(indefinite, np.ones(12), *NO_SLOPES)
    assert np.isfinite(value)


@every_kernel
def test_the_slopes_of_the_likelihood_are_those_of_small_steps(kernel):
    kind = KERNELS[kernel]
    geometry = Geometry(KNOWN[:12])
    y = (VALUES[:12] - VALUES[:12].mean()) / VALUES[:12].std()

    shares = np.array([np.ones(12), np.linspace(0, 3, 12) ** 2])

    def loss(theta: Floats) -> tuple[float, Floats]:
        matrix, slopes = kind.gram(theta[:-2], geometry, geometry.landmarks)
        noises = np.exp(2 * theta[-2:])[:, None] * shares
        return negative_log_likelihood(matrix + np.diag(noises.sum(0)), y, slopes, 2 * noises)

    theta = np.array([*kind.centers, -1.0, -1.5])
    steps = 1e-6 * np.eye(len(theta))
    expected = [(loss(theta + step)[0] - loss(theta - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(loss(theta)[1], expected, rtol=1e-4, atol=1e-6)
