"""The exponential kernels between landmarks, against their formula."""

import numpy as np
import pytest

from benchmarks.histories import history
from core.surrogate.kernels import KERNELS, Geometry
from core.surrogate.kernels.abstract import projection

LANDMARKS = [trial.architecture for trial in history(12, seed=2)]
THETA = np.log([1.5, 0.4, 5.0, 3.0, 0.8])  # a, b, l, s, r


@pytest.mark.parametrize(("kind", "count"), [("edit", 4), ("graph", 5)])
def test_landmarks_have_the_covariances_of_the_formula(kind, count):
    a, b, l_, s, r = np.exp(THETA)
    geometry = Geometry(LANDMARKS)
    points = geometry.landmarks
    exponent = points.layers / l_ + points.skips / s
    exponent += points.subtrees / r if kind == "graph" else 0.0
    near = np.exp(-exponent)
    definite = near @ projection(near)
    linear = b**2 * points.sizes @ points.sizes.T + 1
    expected = a**2 * definite @ definite.T + linear
    np.fill_diagonal(expected, a**2 + linear.diagonal())

    found = KERNELS[kind].at(THETA[:count], geometry)(points, points)

    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "count"), [("edit", 4), ("graph", 5)])
def test_before_the_projection_they_are_the_formula_itself(kind, count):
    a, b, l_, s, r = np.exp(THETA)
    points = Geometry(LANDMARKS).landmarks
    exponent = points.layers / l_ + points.skips / s
    exponent += points.subtrees / r if kind == "graph" else 0.0
    gram, slopes = KERNELS[kind].gram(THETA[:count], Geometry(LANDMARKS), points)
    expected = a**2 * np.exp(-exponent) + b**2 * points.sizes @ points.sizes.T + 1
    np.testing.assert_allclose(gram, expected)
    assert slopes.shape == (count, 12, 12)
