"""Noise on the weights that morphisms made or changed: optional, small, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.weights import check
from core.layers import Dense, Input, Output, ReLU
from core.morphisms import transfer_all
from core.morphisms.deepen import Deepen
from core.morphisms.widen import Widen
from tests.strategies import Chain, generators, morphism_chains, random_inputs, random_weights


def moved(chain, weights, noise, seed=0):
    rng = np.random.default_rng(seed)
    return transfer_all(chain.architectures[0], weights, chain.morphisms, rng, noise=noise)


@given(chain=morphism_chains(), rng=generators, amount=st.floats(1e-6, 1))
def test_noise_is_within_its_share_of_the_range_of_each_changed_array(chain, rng, amount):
    weights = random_weights(chain.architectures[0], rng)
    exact, noisy = moved(chain, weights, 0.0), moved(chain, weights, amount)
    last = chain.architectures[-1]
    check(last, noisy)
    for node in last.nodes:
        for name, array in exact.get(node.id, {}).items():
            found = noisy[node.id][name]
            if name in node.layer.buffers or array is weights.get(node.id, {}).get(name):
                np.testing.assert_array_equal(found, array)
            else:
                largest = amount * (array.max() - array.min()) / 2
                assert np.abs(found - array).max() <= largest * (1 + 1e-9) + 1e-12


@given(chain=morphism_chains(), rng=generators)
def test_weights_that_no_morphism_touched_are_the_very_same(chain, rng):
    weights = random_weights(chain.architectures[0], rng)
    exact, noisy = moved(chain, weights, 0.0), moved(chain, weights, 0.1)
    for node_id, arrays in weights.items():
        for name, array in arrays.items():
            if exact.get(node_id, {}).get(name) is array:
                assert noisy[node_id][name] is array


def widened_and_deepened() -> Chain:
    network = Architecture(
        (
            Node(0, Input((5,))),
            Node(1, Dense(6), (0,)),
            Node(2, ReLU(), (1,)),
            Node(3, Dense(3), (2,)),
            Node(4, Output(), (3,)),
        )
    )
    morphisms = (Widen(1, 4), Deepen(2, "dense"))
    middle = morphisms[0].apply(network)
    return Chain((network, middle, morphisms[1].apply(middle)), morphisms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_noise_the_function_changes_and_by_more_for_more(dtype):
    rng, chain = np.random.default_rng(0), widened_and_deepened()
    weights = random_weights(chain.architectures[0], rng, dtype)
    x = random_inputs(chain.architectures[0], rng, dtype)
    y = forward(chain.architectures[0], weights, x)

    def change(noise):
        after = moved(chain, weights, noise)
        assert all(a.dtype == dtype for arrays in after.values() for a in arrays.values())
        return np.abs(forward(chain.architectures[-1], after, x) - y).max() / np.abs(y).max()

    assert change(0.0) <= 1e-5 < change(1e-3) < 0.05
    assert 20 * change(1e-3) < change(0.1)
