"""Initial weights of any network that a search can reach: values keep their size and repeat."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.initialisation import initialise
from core.graph.roots import all_roots
from core.graph.weights import flatten
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from tests.strategies import random_chain

CASE = Path(__file__).parents[2] / "assets" / "architectures" / "many_sums.json"
SHAPES = [(1, 28, 28), (3, 32, 32), (2, 100), (20,)]
SMALL = Bounds(layers=120, width=128, parameters=200_000, flops=5_000_000)
LENGTH = 30  # morphisms of a chain
LEAST, MOST = 0.1, 3.0  # standard deviation of the logits


def roots(shape: tuple[int, ...]) -> dict[str, Architecture]:
    """Every root for examples of this shape."""
    spec = DatasetSpec(
        input_shape=shape,
        classes=10,
        class_names=tuple("abcdefghij"),
        train_examples=1000,
        test_examples=100,
        dtype="float32",
    )
    return dict(all_roots(spec, SMALL))


ROOTS = [
    pytest.param(root, id=f"{name}-{'x'.join(map(str, shape))}")
    for shape in SHAPES
    for name, root in roots(shape).items()
]
every_root = pytest.mark.parametrize("root", ROOTS)


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standardised examples whose neighbours are independent: (16, *shape)"""
    return rng.standard_normal((16, *shape)).astype(np.float32)


def smooth(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standardised examples whose neighbours are similar: (16, *shape)"""
    x = noise(shape, rng)
    for axis in range(2, x.ndim):
        x = np.cumsum(x, axis=axis)
    axes = (0, *range(2, x.ndim))
    deviation = x.std(axis=axes, keepdims=True)
    standardised: np.ndarray = (x - x.mean(axis=axes, keepdims=True)) / deviation
    return standardised


def check_logits(architecture: Architecture, seed: int) -> None:
    """Fail unless the logits start with a standard deviation within the bounds."""
    rng = np.random.default_rng(seed)
    weights = initialise(architecture, rng)
    for examples in (noise, smooth):
        x = examples(architecture.input_shape, rng)
        found = float(forward(architecture, weights, x).std())
        assert LEAST <= found <= MOST, f"{examples.__name__}: {found}"


def case() -> Architecture:
    """A network of 108 layers whose many sums once made its logits too large to learn."""
    return Architecture.from_json(json.loads(CASE.read_text())["architecture"])


@every_root
def test_logits_of_a_start_begin_with_a_moderate_size(root):
    check_logits(root, seed=0)


@pytest.mark.parametrize("seed", range(3))
def test_logits_of_a_network_of_many_sums_begin_with_a_moderate_size(seed):
    check_logits(case(), seed)


@every_root
def test_logits_behind_many_morphisms_begin_with_a_moderate_size(root):
    chain = random_chain(root, np.random.default_rng(0), LENGTH, SMALL)
    check_logits(chain.architectures[-1], seed=0)


@pytest.mark.slow
@every_root
@pytest.mark.parametrize("seed", range(100, 125))
def test_logits_of_every_network_of_a_long_chain_begin_with_a_moderate_size(root, seed):
    chain = random_chain(root, np.random.default_rng(seed), LENGTH, SMALL)
    for architecture in chain.architectures[::5]:
        check_logits(architecture, seed)


def test_initial_weights_come_from_the_generator_alone():
    first, second, other = (
        flatten(initialise(case(), np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(second[name], array) for name, array in first.items())
    assert any(not np.array_equal(other[name], array) for name, array in first.items())


def test_initial_weights_are_the_same_in_both_precisions_but_for_rounding():
    single, double = (
        flatten(initialise(case(), np.random.default_rng(1), dtype))
        for dtype in (np.float32, np.float64)
    )
    for name, array in double.items():
        assert array.dtype == np.float64
        np.testing.assert_allclose(single[name], array, rtol=1e-3, atol=1e-6)
