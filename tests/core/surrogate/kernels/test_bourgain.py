"""The kernel of the paper between landmarks, against its formula."""

import numpy as np

from benchmarks.histories import history
from core.surrogate.kernels import KERNELS, Geometry
from core.surrogate.kernels.bourgain import _draw_sets

LANDMARKS = [trial.architecture for trial in history(12, seed=2)]
A, L = 1.3, 2.5


def test_landmarks_have_the_covariances_of_the_formula():
    points = Geometry(LANDMARKS).landmarks
    distances = points.layers + points.skips
    sets = _draw_sets(len(LANDMARKS))
    embedded = np.array(
        [
            [min(row[y] for y in members) / np.sqrt(len(sets)) for members in sets]
            for row in distances
        ]
    )
    squared = ((embedded[:, None] - embedded[None, :]) ** 2).sum(axis=2)
    kernel = KERNELS["bourgain"].at(np.log([A, L]), Geometry(LANDMARKS))
    expected = A**2 * np.exp(-squared / (2 * L**2)) + 1
    np.testing.assert_allclose(kernel(points, points), expected, rtol=1e-5, atol=1e-5)


def test_the_sets_depend_on_the_number_of_landmarks_alone():
    assert len(_draw_sets(12)) == 4 * 4
    assert all(len(members) for members in _draw_sets(12))
    first, again = _draw_sets(12), _draw_sets.__wrapped__(12)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert [len(members) for members in first[:4]] == [12] * 4  # 2^-0: all of them
