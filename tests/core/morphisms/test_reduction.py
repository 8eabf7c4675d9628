"""Reductions: what remains of an architecture and of its weights."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import check
from core.layers import (
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
    ReLU6,
)
from core.morphisms.reduction import (
    Reduction,
    reduce_architecture,
    remaining,
    selections,
    slice_weights,
)
from tests.strategies import random_weights

NETWORK = Architecture(
    (
        Node(0, Input((2, 6, 6))),
        Node(1, Conv2d(6), (0,)),
        Node(2, BatchNorm(), (1,)),
        Node(3, ReLU(), (2,)),
        Node(4, Conv2d(6), (3,)),
        Node(5, BatchNorm(), (4,)),
        Node(6, ReLU(), (5,)),
        Node(7, Conv2d(6), (6,)),
        Node(8, Conv2d(6, 1), (3,)),
        Node(9, Add(), (7, 8)),
        Node(10, Concat(), (9, 6)),
        Node(11, GlobalAvgPool2d(), (10,)),
        Node(12, Dense(12), (11,)),
        Node(13, ReLU(), (12,)),
        Node(14, Dropout(0.2), (13,)),
        Node(15, Dense(3), (14,)),
        Node(16, Output(), (15,)),
    )
)


def ids(architecture):
    return [node.id for node in architecture.nodes]


def chain(*layers):
    nodes = [Node(0, Input((2, 6, 6)))]
    for layer in (*layers, GlobalAvgPool2d(), Dense(3), Output()):
        nodes.append(Node(len(nodes), layer, (len(nodes) - 1,)))
    return Architecture(tuple(nodes))


@pytest.mark.parametrize(
    ("first", "second", "is_idle"),
    [
        (ReLU(), ReLU(), True),
        (ReLU6(), ReLU(), True),
        (ReLU6(), ReLU6(), True),
        (ReLU(), ReLU6(), False),  # values above six are still clipped
    ],
)
def test_an_activation_is_removed_only_if_it_no_longer_has_an_effect(first, second, is_idle):
    network = chain(Conv2d(2), first, Conv2d(2), second)
    child = reduce_architecture(network, Reduction(bypassed=frozenset({3})))
    assert ids(child) == [0, 1, 2, *([] if is_idle else [4]), 5, 6, 7]


def test_a_selection_follows_the_channels_to_every_reader():
    """Nodes 1 to 3 keep the channels 0 and 4 of six, so the sum of 7 and 8 stays as it is."""
    reduction = Reduction(kept={1: np.array([0, 4])})
    chosen = selections(NETWORK, reduction)
    for node_id in (1, 2, 3):
        assert chosen[node_id].tolist() == [0, 4]
    assert chosen[9].tolist() == list(range(6))
    child = reduce_architecture(NETWORK, reduction)
    assert [child.shapes[node_id][0] for node_id in (1, 2, 3, 4)] == [2, 2, 2, 6]


def test_a_selection_of_a_concatenation_and_of_flattened_channels_by_hand():
    network = Architecture(
        (
            Node(0, Input((1, 2, 2))),
            Node(1, Conv2d(3), (0,)),
            Node(2, Conv2d(2), (0,)),
            Node(3, Concat(), (1, 2)),
            Node(4, Flatten(), (3,)),
            Node(5, Dense(3), (4,)),
            Node(6, Output(), (5,)),
        )
    )
    chosen = selections(network, Reduction(kept={1: np.array([2]), 2: np.array([0])}))
    assert chosen[3].tolist() == [2, 3]
    assert chosen[4].tolist() == [8, 9, 10, 11, 12, 13, 14, 15]
    cut_edge = selections(network, Reduction(edges=frozenset({(3, 0)})))
    assert cut_edge[3].tolist() == [3, 4]


def test_sliced_weights_are_the_chosen_rows_and_columns_of_the_old_ones():
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    reduction = Reduction(kept={1: np.array([0, 4])})
    child = reduce_architecture(NETWORK, reduction)
    rest = slice_weights(NETWORK, weights, child, selections(NETWORK, reduction))
    check(child, rest)
    np.testing.assert_array_equal(rest[1]["weight"], weights[1]["weight"][[0, 4]])
    np.testing.assert_array_equal(rest[2]["running_var"], weights[2]["running_var"][[0, 4]])
    np.testing.assert_array_equal(rest[4]["weight"], weights[4]["weight"][:, [0, 4]])
    np.testing.assert_array_equal(rest[8]["weight"], weights[8]["weight"][:, [0, 4]])
    assert rest[7]["weight"] is weights[7]["weight"]


def test_a_sum_of_other_channels_is_illegal():
    reduction = Reduction(kept={7: np.array([0, 1]), 8: np.array([0, 2])})
    with pytest.raises(IllegalMorphism, match="inputs of node 9 would keep different channels"):
        selections(NETWORK, reduction)


def test_every_class_stays():
    with pytest.raises(IllegalMorphism, match="the output would have 2 classes; expected 3"):
        reduce_architecture(NETWORK, Reduction(kept={15: np.array([0, 1])}))


def test_the_inputs_that_are_not_cut_remain():
    node = NETWORK.node(9)
    assert remaining(node, Reduction(edges=frozenset({(9, 0), (10, 1)}))) == [8]
    assert remaining(node, Reduction()) == [7, 8]
