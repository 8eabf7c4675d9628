"""The cost of architectures."""

import numpy as np
from hypothesis import given

from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.graph.initialisation import initialise
from core.graph.node import Node
from core.layers import Dense, Input, Output, ReLU
from tests.strategies import architectures


@given(architecture=architectures())
def test_parameters_are_the_trained_numbers_of_the_weights(architecture):
    weights = initialise(architecture, np.random.default_rng(0))
    trained = sum(
        array.size
        for node_id, arrays in weights.items()
        for name, array in arrays.items()
        if name not in architecture.node(node_id).layer.buffers
    )
    assert architecture.parameters == trained


def test_costs_of_a_small_network_by_hand():
    architecture = Architecture(
        (
            Node(0, Input((4,))),
            Node(1, Dense(8), (0,)),
            Node(2, ReLU(), (1,)),
            Node(3, Dense(2), (2,)),
            Node(4, Output(), (3,)),
        )
    )
    parameters = (4 * 8 + 8) + (8 * 2 + 2)
    assert architecture.parameters == parameters
    assert architecture.flops == 2 * 4 * 8 + 8 + 2 * 8 * 2
    activations = 4 + 8 + 8 + 2
    for batch in (1, 32):
        expected = 4 * (4 * parameters + batch * (activations + 2 * 8))
        assert training_memory(architecture.costs, batch) == expected


@given(architecture=architectures())
def test_memory_grows_with_the_batch(architecture):
    assert training_memory(architecture.costs, 64) > training_memory(architecture.costs, 1) > 0
