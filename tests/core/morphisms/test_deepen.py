"""Deepen: which block can be inserted where."""

import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
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
from core.protocol.contracts.bounds import Bounds


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


def test_blocks_are_offered_where_they_start_as_the_identity(network):
    assert positions(network, "conv3") == positions(network, "conv5") == [3, 4]
    assert positions(network, "dense") == [8]
    assert positions(network, "batch_norm") == [5, 7]
    assert positions(network, "dropout") == [6, 8]


def test_blocks_are_offered_behind_a_relu6_but_not_behind_zeros(network):
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


def test_nothing_is_inserted_behind_the_logits(network):
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
