"""The blend of three kernels between landmarks, against its formula."""

import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.histories import history
from core.surrogate.kernels import KERNELS, Geometry

LANDMARKS = [trial.architecture for trial in history(12, seed=2)]
THETA = np.log([1.2, 5.0, 3.0, 0.7, 0.6, 0.8, 2.5, 0.4])  # a, l, s, w, r, f, h, b


def test_landmarks_have_the_covariances_of_the_formula_before_the_projection():
    a, l_, s, w, r, f, h, b = np.exp(THETA)
    points = Geometry(LANDMARKS).landmarks
    u = cdist(points.form, points.form) / h
    matern = (1 + np.sqrt(5) * u + 5 * u**2 / 3) * np.exp(-np.sqrt(5) * u)
    expected = (
        a**2 * np.exp(-points.layers / l_ - points.skips / s)
        + w**2 * np.exp(-points.subtrees / r)
        + f**2 * matern
        + b**2 * points.sizes @ points.sizes.T
        + 1
    )
    gram, slopes = KERNELS["blend"].gram(THETA, Geometry(LANDMARKS), points)
    np.testing.assert_allclose(gram, expected, rtol=1e-9)
    assert slopes.shape == (8, 12, 12)


def test_the_variance_of_any_network_is_that_of_all_parts():
    a, *_, w, _, f, _, b = np.exp(THETA)
    geometry = Geometry(LANDMARKS[:6])
    points = geometry.points(LANDMARKS)
    kernel = KERNELS["blend"].at(THETA, geometry)
    expected = a**2 + w**2 + f**2 + b**2 * (points.sizes**2).sum(axis=1) + 1
    np.testing.assert_allclose(kernel.variances(points), expected, rtol=1e-6)
