"""Residual blocks: where they are inserted, and that outputs stay non-negative."""

import numpy as np

from core.graph.building import chain
from core.layers import Add, BatchNorm, Conv1d, Conv2d, Dense, Flatten, Input, Output, ReLU
from core.morphisms import TransferRequest
from core.morphisms.residual import Residual
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_skips import NETWORK
from tests.strategies import random_weights


def inserted(node_id: int):
    child = Residual(node_id).apply(NETWORK)
    return child, [node.layer for node in child.nodes if node.id > 13]


def test_a_block_of_convolutions_is_inserted_behind_activations():
    child, layers = inserted(3)
    assert layers == [Conv2d(4), BatchNorm(), ReLU(), Conv2d(4), BatchNorm(), Add(), ReLU()]
    assert child.node(4).inputs == (20,)
    assert child.nonnegative[20]


def test_a_block_of_dense_layers_is_inserted_behind_features():
    _, layers = inserted(11)
    assert layers == [Dense(7), ReLU(), Dense(7), Add(), ReLU()]


def test_values_below_zero_get_no_relu_behind_the_sum():
    child, layers = inserted(1)
    assert layers[-1] == Add()
    assert child.node(2).inputs == (19,)


def test_blocks_are_offered_behind_activations():
    found = [m.node_id for m in Residual.candidates(NETWORK, Bounds())]
    assert found == [3, 4, 6, 8, 9, 11]
    assert 9 not in [m.node_id for m in Residual.candidates(NETWORK, Bounds(width=8))]


def test_no_block_is_offered_that_is_many_times_the_network():
    """As behind a flattening of many positions; it can still be inserted."""
    architecture = chain(
        iter([Input((4, 64)), Conv1d(8), ReLU(), Flatten(), Dense(3), ReLU(), Dense(2), Output()])
    )
    assert [m.node_id for m in Residual.candidates(architecture, Bounds())] == [2, 5]
    assert Residual(3).apply(architecture).parameters > 100 * architecture.parameters


def test_only_the_last_layer_starts_at_zero():
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    moved = Residual(3).transfer(TransferRequest(NETWORK, weights, rng))
    assert not moved[18]["weight"].any()
    assert not moved[18]["bias"].any()
    assert moved[14]["weight"].all()
    assert moved[17]["weight"].all()
    assert (moved[15]["running_var"] > 0).all()
