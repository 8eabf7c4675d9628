"""The reference forward pass of entire networks."""

import numpy as np
from hypothesis import given

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import Add, Concat, Dense, Input, Output, ReLU
from tests.strategies import architectures, generators, random_inputs, random_weights


def test_a_small_network_by_hand():
    architecture = Architecture(
        (
            Node(0, Input((2,))),
            Node(1, Dense(2), (0,)),
            Node(2, ReLU(), (1,)),
            Node(3, Concat(), (2, 0)),
            Node(4, Add(), (3, 3)),
            Node(5, Dense(1), (4,)),
            Node(6, Output(), (5,)),
        )
    )
    weights = {
        1: {"weight": np.array([[1.0, 2], [3, -4]]), "bias": np.array([0.5, -0.5])},
        5: {"weight": np.array([[1.0, 10, 100, 1000]]), "bias": np.array([7.0])},
    }
    y = forward(architecture, weights, np.array([[1.0, 2], [-1, 0]]))
    hidden = np.array([[5.5, 0], [0, 0]])
    expected = 2 * (hidden @ [1, 10]) + 2 * np.array([[1, 2], [-1, 0]]) @ [100, 1000] + 7
    np.testing.assert_allclose(y[:, 0], expected)


@given(architecture=architectures(), rng=generators)
def test_a_batch_of_any_size_gives_the_same_as_its_examples(architecture, rng):
    weights = random_weights(architecture, rng)
    x = np.tile(
        random_inputs(architecture, rng, count=3), (100, *[1] * len(architecture.input_shape))
    )
    y = forward(architecture, weights, x)
    assert y.shape == (300, *architecture.output_shape)
    np.testing.assert_allclose(y[:3], y[297:], rtol=1e-9, atol=1e-9)
    assert forward(architecture, weights, x[:0]).shape == (0, *architecture.output_shape)


@given(architecture=architectures(), rng=generators)
def test_single_precision_stays_single_and_close(architecture, rng):
    weights, x = random_weights(architecture, rng), random_inputs(architecture, rng)
    single = {k: {n: a.astype(np.float32) for n, a in v.items()} for k, v in weights.items()}
    y = forward(architecture, weights, x)
    y32 = forward(architecture, single, x.astype(np.float32))
    assert y32.dtype == np.float32
    assert np.abs(y32 - y).max() <= 1e-3 * np.abs(y).max() + 1e-5
