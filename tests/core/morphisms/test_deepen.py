"""Deepen: which block can be inserted where."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
    ReLU6,
    Zero,
)
from core.morphisms import MORPHISMS
from core.morphisms.deepen import BLOCKS, Deepen
from core.morphisms.moments import estimate_moments
from core.protocol.contracts import Bounds
from tests.strategies import random_weights


@pytest.fixture
def network() -> Architecture:
    return Architecture(
        (
            Node(0, Input((1, 6, 6))),
            Node(1, Conv2d(4), (0,)),
            Node(2, BatchNorm(), (1,)),
            Node(3, ReLU(), (2,)),
            Node(4, MaxPool2d(), (3,)),
            Node(5, Conv2d(5), (4,)),
            Node(6, Flatten(), (5,)),
            Node(7, Dense(6), (6,)),
            Node(8, ReLU(), (7,)),
            Node(9, Dense(3), (8,)),
            Node(10, Output(), (9,)),
        )
    )


def positions(network: Architecture, block: str) -> list[int]:
    found = Deepen.candidates(network, Bounds())
    return [morphism.node_id for morphism in found if morphism.block == block]


def test_blocks_stand_where_they_start_as_the_identity(network):
    assert positions(network, "conv3") == positions(network, "conv5") == [3, 4]
    assert positions(network, "dense") == [8]
    assert positions(network, "batch_norm") == [5, 7]
    assert positions(network, "dropout") == [6, 8]


def test_blocks_stand_behind_a_relu6_and_no_block_is_tried_behind_zeros(network):
    changed = network.with_layers({3: ReLU6(), 4: Zero(2), 8: Zero()})
    assert positions(changed, "conv3") == positions(changed, "conv5") == [3]
    assert positions(changed, "dense") == []
    assert positions(changed, "dropout") == [6]
    residual = MORPHISMS["residual"].candidates(changed, Bounds())
    assert [morphism.node_id for morphism in residual] == [3]


@pytest.mark.parametrize("node_id", [0, 1, 2, 5])
def test_a_relu_behind_values_below_zero_is_illegal(network, node_id):
    with pytest.raises(IllegalMorphism, match="below zero"):
        Deepen(node_id, "conv3").apply(network)


@pytest.mark.parametrize(("node_id", "block"), [(8, "conv3"), (3, "dense"), (3, "dropout")])
def test_a_block_of_another_rank_is_illegal(network, node_id, block):
    with pytest.raises(IllegalMorphism, match="does not fit values of shape"):
        Deepen(node_id, block).apply(network)


def test_nothing_stands_behind_the_logits(network):
    for block in BLOCKS:
        with pytest.raises(IllegalMorphism, match="cannot be changed"):
            Deepen(9, block).apply(network)


def test_an_unknown_block_is_illegal(network):
    with pytest.raises(IllegalMorphism, match="unknown block 'nothing'"):
        Deepen(3, "nothing").apply(network)


def test_all_readers_read_the_block(network):
    child = Deepen(3, "conv3").apply(network)
    assert [type(child.node(i).layer).__name__ for i in (11, 12, 13)] == [
        "Conv2d",
        "BatchNorm",
        "ReLU",
    ]
    assert child.readers(3) == (11,)
    assert child.node(4).inputs == (13,)
    assert Deepen(3, "conv3").describe(network) == (
        "insert a 3 × 3 convolution with batch norm and ReLU behind ReLU 3"
    )


def test_a_new_batch_norm_expects_about_the_moments_that_the_values_have(network):
    """So that it changes little in training, when it goes by the batch instead."""
    rng = np.random.default_rng(0)
    weights = random_weights(network, rng)
    x = rng.normal(size=(4000, 1, 6, 6))
    weights[2] |= _statistics(forward_to(network, weights, x, 1))
    values = forward_to(network, weights, x, 3)
    mean, variance = estimate_moments(network, weights, 3)
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=0.1, atol=0.05)
    np.testing.assert_allclose(variance, values.var(axis=(0, 2, 3)), rtol=0.2, atol=0.05)


@pytest.mark.parametrize(
    ("layers", "weights"),
    [
        ((Conv2d(3, 1, bias=False),), {1: {"weight": np.array([[[[2.0]]], [[[-1]]], [[[0.5]]]])}}),
        ((DepthwiseConv2d(1, bias=False),), {1: {"weight": np.array([[[[3.0]]]])}}),
        ((BatchNorm(), ReLU6()), {1: {"weight": 5.0, "bias": 4.0}}),  # much of it is clipped
        ((BatchNorm(), ReLU6()), {1: {"weight": 1.0, "bias": 9.0}}),  # all of it
        ((Zero(),), {}),
    ],
)
def test_the_moments_of_gaussian_values_are_known_behind_each_layer(layers, weights):
    rest = (Flatten(), Dense(3), Output())
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate((*layers, *rest), 1)]
    network = Architecture((Node(0, Input((1, 4, 4))), *nodes))
    if BatchNorm() in layers:
        one = {"running_mean": np.zeros(1), "running_var": np.ones(1)}
        weights = {1: one | {name: np.full(1, value) for name, value in weights[1].items()}}
    x = np.random.default_rng(0).normal(size=(9000, 1, 4, 4))
    values = forward_to(network, weights, x, len(layers))
    mean, variance = estimate_moments(network, weights, len(layers))
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=0.01, atol=0.01)
    np.testing.assert_allclose(variance, values.var(axis=(0, 2, 3)), rtol=0.02, atol=1e-3)


def forward_to(network, weights, x, node_id):
    """The values of one node, as features."""
    kept = [node for node in network.nodes if node.id <= node_id]
    shape = network.shapes[node_id]
    tail = (Node(90, Flatten(), (node_id,)), Node(91, Output(), (90,)))
    return forward(Architecture((*kept, *tail)), weights, x).reshape(-1, *shape)


def _statistics(values):
    axes = (0, 2, 3)
    return {"running_mean": values.mean(axis=axes), "running_var": values.var(axis=axes)}
