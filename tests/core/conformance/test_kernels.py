"""The promises of every registered kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.histories import history, of_depth
from core.errors import UnknownKind
from core.protocol.contracts.bounds import Bounds
from core.surrogate.kernels import KERNELS, AbstractKernel, Geometry
from tests.strategies import morphism_chains, random_chain

every_kernel = pytest.mark.parametrize("kind", list(KERNELS))

#: How far θ lies from its prior means, in prior standard deviations.
SHIFTS = {"usual": 0.0, "shortest": -3.0, "longest": 3.0}
every_shift = pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)

LANDMARKS = [trial.architecture for trial in history(25, seed=1)]
OTHERS = [
    *of_depth(14, 6),
    *random_chain(LANDMARKS[3], np.random.default_rng(2), 6, Bounds()).architectures[1:],
]
EVERYTHING = [*LANDMARKS, *OTHERS, LANDMARKS[4], OTHERS[0], OTHERS[0]]  # some of them again


def kernel_at(kind: str, geometry: Geometry, shift: float = 0.0) -> AbstractKernel:
    cls = KERNELS[kind]
    return cls.at(np.array(cls.centers) + shift * np.array(cls.spreads), geometry)


def made(kind: str, shift: float = 0.0) -> tuple[AbstractKernel, Geometry]:
    geometry = Geometry(LANDMARKS)
    return kernel_at(kind, geometry, shift), geometry


def assert_covariance(matrix: np.ndarray) -> None:
    assert np.isfinite(matrix).all()
    largest = matrix.diagonal().max()
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-12 * largest)
    assert np.linalg.eigvalsh((matrix + matrix.T) / 2).min() >= -1e-8 * largest


@every_kernel
@every_shift
def test_a_matrix_of_any_points_is_positive_semi_definite(kind, shift):
    kernel, geometry = made(kind, shift)
    points = geometry.points(EVERYTHING)
    assert_covariance(kernel(points, points))


@every_kernel
@settings(max_examples=30)
@given(data=st.data(), chain=morphism_chains(length=6))
def test_a_matrix_is_positive_semi_definite_for_any_landmarks_and_hyper_parameters(
    kind, data, chain
):
    cls = KERNELS[kind]
    count = data.draw(st.integers(1, len(chain.architectures)))
    geometry = Geometry(chain.architectures[:count])
    shifts = data.draw(st.lists(st.floats(-3, 3), min_size=len(cls.names), max_size=len(cls.names)))
    kernel = cls.at(np.array(cls.centers) + np.array(shifts) * np.array(cls.spreads), geometry)
    points = geometry.points([*chain.architectures, *chain.architectures[-2:]])
    assert_covariance(kernel(points, points))


@every_kernel
@every_shift
def test_the_variances_are_the_diagonal(kind, shift):
    kernel, geometry = made(kind, shift)
    points = geometry.points(EVERYTHING)
    variances = kernel.variances(points)
    assert (variances > 0).all()
    np.testing.assert_allclose(kernel(points, points).diagonal(), variances, rtol=1e-10)


@every_kernel
def test_points_correlate_fully_with_themselves_and_not_with_others(kind):
    kernel, geometry = made(kind)
    points = geometry.points([*LANDMARKS, LANDMARKS[0]])
    spread = np.sqrt(kernel.variances(points))
    correlation = kernel(points, points) / spread[:, None] / spread[None, :]
    np.testing.assert_allclose(correlation.diagonal(), 1, rtol=1e-10)
    assert correlation[0, -1] == pytest.approx(1, rel=1e-10)
    off = correlation[:-1, :-1][~np.eye(len(LANDMARKS), dtype=bool)]
    assert off.max() < 1 - 1e-6
    assert off.min() > -1


@every_kernel
@every_shift
def test_a_cross_block_is_that_of_the_joint_matrix(kind, shift):
    """A point has the same covariances alone and among others."""
    kernel, geometry = made(kind, shift)
    joint = kernel(geometry.points(EVERYTHING), geometry.points(EVERYTHING))
    tolerance = {"rtol": 1e-10, "atol": 1e-10 * joint.max()}
    for split in (1, 20, len(EVERYTHING) - 1):
        a, b = geometry.points(EVERYTHING[:split]), geometry.points(EVERYTHING[split:])
        np.testing.assert_allclose(kernel(a, b), joint[:split, split:], **tolerance)
        np.testing.assert_allclose(kernel(b, a), joint[split:, :split], **tolerance)
    points = geometry.points(EVERYTHING)
    np.testing.assert_allclose(kernel(points[3:9], points), joint[3:9], **tolerance)
    variances = [kernel.variances(points[i : i + 1])[0] for i in range(len(points))]
    np.testing.assert_allclose(variances, kernel.variances(points), rtol=1e-10)


@every_kernel
def test_a_matrix_does_not_depend_on_earlier_calls(kind):
    kernel, geometry = made(kind)
    kernel(geometry.points(OTHERS), geometry.points(LANDMARKS[::-1]))
    again, other_geometry = made(kind)
    a, b = geometry.points(EVERYTHING), other_geometry.points(EVERYTHING)
    np.testing.assert_array_equal(kernel(a, a), again(b, b))


@every_kernel
def test_architectures_correlate_less_the_more_morphisms_lie_between_them(kind):
    """From a landmark to architectures that are more and more morphisms away."""
    chain = random_chain(LANDMARKS[0], np.random.default_rng(5), 30, Bounds()).architectures
    geometry = Geometry([*LANDMARKS, *chain])
    kernel = kernel_at(kind, geometry)
    points = geometry.points(chain)
    near, far = kernel(points[:1], points[[1, -1]])[0]
    assert near > far


@every_kernel
def test_hyper_parameters_have_names_and_priors(kind):
    cls = KERNELS[kind]
    assert len(cls.names) == len(set(cls.names)) == len(cls.centers) == len(cls.spreads) >= 1
    assert all(spread > 0 for spread in cls.spreads)


@every_kernel
def test_no_points_have_an_empty_matrix(kind):
    kernel, geometry = made(kind)
    none, some = geometry.points([]), geometry.points(OTHERS)
    assert kernel(none, some).shape == (0, len(OTHERS))
    assert kernel.variances(none).shape == (0,)


def test_an_unknown_kernel_is_refused_with_what_is_known():
    with pytest.raises(UnknownKind, match=r"unknown kernel 'rbf'; known are: .*edit"):
        KERNELS["rbf"]
