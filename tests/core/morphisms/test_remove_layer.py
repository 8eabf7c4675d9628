"""Removing a layer: what is removed with it, and what is offered."""

import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import Add, AvgPool2d, BatchNorm, Conv2d, Dense, Input, Output, ReLU6, Zero
from core.morphisms.remove_layer import RemoveLayer
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_reduction import NETWORK, chain, ids


def test_a_layer_is_removed_with_its_batch_norm_and_its_relu():
    child = RemoveLayer(4).apply(NETWORK)
    assert ids(child) == [n for n in ids(NETWORK) if n not in (4, 5, 6)]
    assert child.node(7).inputs == (3,)
    assert child.node(10).inputs == (9, 3)


def test_a_relu_stays_where_it_is_needed():
    child = RemoveLayer(12).apply(NETWORK)
    assert 13 in ids(child)
    assert child.node(13).inputs == (11,)


def test_layers_of_one_shape_are_offered_but_no_batch_norm_of_a_convolution():
    assert [m.node_id for m in RemoveLayer.candidates(NETWORK, Bounds())] == [4, 7, 8, 12, 14]


def test_a_relu6_is_removed_with_its_convolution_and_stays_where_it_is_needed():
    network = chain(Conv2d(2), ReLU6(), Conv2d(2, bias=False), BatchNorm(), ReLU6())
    assert ids(RemoveLayer(3).apply(network)) == [0, 1, 2, 6, 7, 8]
    assert ids(RemoveLayer(1).apply(network)) == [0, 2, 3, 4, 5, 6, 7, 8]


def test_a_padded_pool_can_go_and_a_zero_operation_cannot():
    network = chain(Conv2d(2), AvgPool2d(3, 1, 1), Zero(), Conv2d(3))
    assert [m.node_id for m in RemoveLayer.candidates(network, Bounds())] == [1, 2]
    with pytest.raises(IllegalMorphism, match="cannot be removed"):
        RemoveLayer(3).apply(network)


@pytest.mark.parametrize(
    ("node_id", "message"),
    [
        (1, "cannot be removed"),
        (3, "cannot be removed"),
        (9, "cannot be removed"),
        (0, "cannot be removed"),
        (15, "cannot be changed"),
    ],
)
def test_a_layer_that_must_stay_is_illegal(node_id, message):
    with pytest.raises(IllegalMorphism, match=message):
        RemoveLayer(node_id).apply(NETWORK)


def test_a_removal_of_a_layer_in_words():
    assert RemoveLayer(4).describe(NETWORK) == "remove convolution 4"


def test_a_batch_norm_of_a_dense_layer_can_be_removed_on_its_own():
    network = Architecture(
        (
            Node(0, Input((4,))),
            Node(1, Dense(5), (0,)),
            Node(2, BatchNorm(), (1,)),
            Node(3, Dense(3), (2,)),
            Node(4, Output(), (3,)),
        )
    )
    assert [m.node_id for m in RemoveLayer.candidates(network, Bounds())] == [2]


def test_the_only_layer_beside_a_skip_is_left_to_the_removal_of_skips():
    network = Architecture(
        (
            Node(0, Input((4,))),
            Node(1, Dense(4), (0,)),
            Node(2, Add(), (0, 1)),
            Node(3, Dense(3), (2,)),
            Node(4, Output(), (3,)),
        )
    )
    assert list(RemoveLayer.candidates(network, Bounds())) == []
