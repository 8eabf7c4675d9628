"""The preparation of a given network's inputs follows the statistics of the data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.preparation import (
    input_norm,
    on_normalised,
    output_layer,
    with_standardised_outputs,
)
from core.layers import Add, BatchNorm, Conv2d, Dense, Flatten, Input, Output, ReLU
from tests.strategies import generators, random_weights

NETWORK = chain(
    iter([Input((2, 5, 4)), BatchNorm(), Conv2d(3), ReLU(), Flatten(), Dense(3), Output()])
)


@given(
    rng=generators,
    mean=st.tuples(st.floats(-300, 300), st.floats(-1, 1)),
    std=st.tuples(st.floats(1e-3, 100), st.floats(1e-2, 5)),
)
def test_the_function_of_stored_examples_is_kept(rng, mean, std):
    """With zero padding of the convolution behind it, into which a shift cannot be folded."""
    weights = random_weights(NETWORK, rng)
    centre, spread = (np.reshape(values, (1, 2, 1, 1)) for values in (mean, std))
    normalised = rng.normal(size=(4, 2, 5, 4))
    stored = normalised * spread + centre

    adapted = on_normalised(NETWORK, weights, mean, std)

    expected = forward(NETWORK, weights, stored)
    scale = 1 + np.abs(expected).max()
    assert np.abs(forward(NETWORK, adapted, normalised) - expected).max() / scale < 1e-9
    norm = adapted[input_norm(NETWORK).id]
    assert (norm["running_mean"] == 0).all()
    assert (norm["running_var"] == 1).all()


def test_only_the_batch_norm_changes_and_it_keeps_its_type():
    weights = random_weights(NETWORK, np.random.default_rng(0), np.float32)
    adapted = on_normalised(NETWORK, weights, (3.0, 4.0), (2.0, 1.0))
    assert all(adapted[node_id] is weights[node_id] for node_id in weights if node_id != 1)
    assert {array.dtype for array in adapted[1].values()} == {np.dtype(np.float32)}


@given(
    rng=generators,
    mean=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    std=st.lists(st.floats(1e-3, 1e6), min_size=3, max_size=3),
)
def test_numbers_are_standardised_by_the_last_layer(rng, mean, std):
    weights, x = random_weights(NETWORK, rng), rng.normal(size=(4, 2, 5, 4))
    adapted = with_standardised_outputs(NETWORK, weights, mean, std)
    expected = (forward(NETWORK, weights, x) - mean) / std
    scale = 1 + np.abs(np.array(mean) / std).max() + np.abs(expected).max()
    assert np.abs(forward(NETWORK, adapted, x) - expected).max() / scale < 1e-9
    assert {key for key in weights if adapted[key] is not weights[key]} == {NETWORK.logits}


@pytest.mark.parametrize("layer", [Dense(3, bias=False), ReLU()])
def test_a_last_layer_that_cannot_be_scaled_is_named(layer):
    network = chain(iter([Input((4,)), Dense(3), layer, Output()]))
    with pytest.raises(InvalidArchitecture, match=r"those of .*; expected a Dense layer with a"):
        output_layer(network)


def test_another_reader_of_the_input_is_named():
    plain = chain(iter([Input((4,)), Dense(3), Output()]))
    with pytest.raises(InvalidArchitecture, match="read by Dense; expected one BatchNorm"):
        input_norm(plain)
    nodes = (
        *(Node(0, Input((3,))), Node(1, BatchNorm(), (0,)), Node(2, Dense(3), (0,))),
        *(Node(3, Add(), (1, 2)), Node(4, Output(), (3,))),
    )
    with pytest.raises(InvalidArchitecture, match="read by BatchNorm, Dense"):
        input_norm(Architecture(nodes))
