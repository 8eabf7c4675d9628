"""The points of architectures between landmarks do not depend on how they are computed."""

from dataclasses import fields

import numpy as np
import pytest

from benchmarks.histories import history
from core.morphisms import sample
from core.protocol.contracts.bounds import Bounds
from core.surrogate.kernels import Geometry, Points
from core.surrogate.kernels.abstract import projection, sizes

TRIALS = [trial.architecture for trial in history(16, seed=2)]
LANDMARKS, OTHERS = TRIALS[:10], TRIALS[10:]
NUMBERS = [field.name for field in fields(Points) if field.name != "names"]


def assert_same(a: Points, b: Points) -> None:
    assert a.names.tolist() == b.names.tolist()
    for name in NUMBERS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-9)


def test_points_that_are_remembered_are_those_that_were_measured():
    geometry, other = Geometry(LANDMARKS), Geometry(LANDMARKS)
    geometry.remember(OTHERS[:3])
    mixed = [OTHERS[4], OTHERS[1], LANDMARKS[2], OTHERS[0]]
    assert_same(geometry.points(OTHERS[:3]), other.points(OTHERS[:3]))
    assert_same(geometry.points(mixed), other.points(mixed))


def test_children_have_the_same_points_with_and_without_their_parent():
    parent = LANDMARKS[3]
    children = [
        child for _, child in sample(parent, Bounds(layers=60), np.random.default_rng(0), 12)
    ]
    geometry = Geometry(LANDMARKS)
    assert len(children) > 3
    assert_same(geometry.points(children, parent), geometry.points(children))


def test_landmarks_are_recognised_among_points():
    geometry = Geometry(LANDMARKS)
    points = geometry.points([OTHERS[0], LANDMARKS[7], LANDMARKS[0], OTHERS[1]])
    assert geometry.landmark_indices(points).tolist() == [-1, 7, 0, -1]


def test_further_landmarks_keep_the_units_of_sizes_and_forms():
    geometry = Geometry(LANDMARKS)
    larger = geometry.with_landmarks(OTHERS[:2])
    before, after = geometry.points(OTHERS), larger.points(OTHERS)
    np.testing.assert_array_equal(after.sizes, before.sizes)
    np.testing.assert_array_equal(after.form, before.form)
    np.testing.assert_array_equal(after.layers[:, :10], before.layers)
    assert after.layers.shape == (len(OTHERS), 12)


def test_sizes_and_forms_are_standardised_by_the_landmarks():
    landmarks = Geometry(LANDMARKS).landmarks
    np.testing.assert_allclose(landmarks.sizes.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(landmarks.sizes.std(axis=0), 1)
    points = Geometry(LANDMARKS).points(OTHERS)
    own = sizes(LANDMARKS)
    np.testing.assert_allclose(points.sizes, (sizes(OTHERS) - own.mean(axis=0)) / own.std(axis=0))


def test_distances_that_a_kernel_does_not_use_are_not_measured():
    points = Geometry(LANDMARKS, ("layers", "skips")).points(OTHERS)
    assert not points.form.any()
    assert points.layers.any()


def test_points_are_chosen_joined_and_measured_from_some_landmarks():
    points = Geometry(LANDMARKS).points(OTHERS)
    assert_same(Points.joined([points[:2], points[2:]]), points)
    some = points.between(np.array([4, 1]))
    np.testing.assert_array_equal(some.layers, points.layers[:, [4, 1]])
    np.testing.assert_array_equal(some.sizes, points.sizes)


def test_features_of_a_projection_have_the_products_of_the_matrix_without_negative_directions():
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([3.0, 2.0, 1.0, 0.5, 1e-9, -0.4])
    matrix = (vectors * values) @ vectors.T
    features = matrix @ projection(matrix)
    assert features.shape == (6, 4)
    kept = (vectors[:, :4] * values[:4]) @ vectors[:, :4].T
    np.testing.assert_allclose(features @ features.T, kept, atol=1e-9)
    assert projection(np.zeros((0, 0))).shape == (0, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_few_landmarks_have_a_geometry(count):
    points = Geometry(LANDMARKS[:count]).points(OTHERS)
    assert points.layers.shape == (len(OTHERS), count)
    assert np.isfinite(points.sizes).all()
