"""Removed layers and skips: the nodes removed with them; undoing an insertion loses nothing."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.weights import check
from core.layers import (
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Dropout,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
    ReLU6,
    Zero,
)
from core.morphisms import MORPHISMS
from core.morphisms.reduction import Reduction, reduce_architecture
from core.morphisms.remove_layer import RemoveLayer
from core.morphisms.remove_skip import RemoveSkip
from core.protocol.contracts import Bounds
from tests.strategies import random_inputs, random_weights

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


def test_a_layer_goes_with_its_batch_norm_and_its_relu():
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


def test_what_only_served_a_skip_goes_with_it():
    assert ids(RemoveSkip(9, 1).apply(NETWORK)) == [n for n in ids(NETWORK) if n not in (8, 9)]
    assert ids(RemoveSkip(9, 0).apply(NETWORK)) == [n for n in ids(NETWORK) if n not in (7, 9)]
    child = RemoveSkip(10, 1).apply(NETWORK)
    assert child.node(11).inputs == (9,)
    assert child.shapes[11] == (6,)


def test_skips_are_offered_at_each_sum_and_concatenation():
    found = [(m.node_id, m.place) for m in RemoveSkip.candidates(NETWORK, Bounds())]
    assert found == [(9, 0), (9, 1), (10, 0), (10, 1)]


@pytest.mark.parametrize(
    "morphism",
    [
        *RemoveLayer.candidates(NETWORK, Bounds()),
        *RemoveSkip.candidates(NETWORK, Bounds()),
    ],
    ids=str,
)
def test_least_squares_lose_less_than_leaving_out(morphism):
    """Weights of nothing in particular: even these leave something to take over."""
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng, count=128)
    child = morphism.apply(NETWORK)
    moved = morphism.transfer(NETWORK, weights, rng, x)
    check(child, moved)
    y = forward(NETWORK, weights, x)
    loss = ((forward(child, moved, x) - y) ** 2).mean() / y.var(axis=0).mean()
    assert loss <= 1.0  # as the mean of the logits would lose
    if isinstance(morphism, RemoveLayer) and morphism.node_id == 14:
        assert loss <= 1e-20


@pytest.mark.parametrize("kind", ["residual", "separable", "squeeze_excite", "add_skip"])
def test_an_insertion_is_undone_without_a_loss(kind):
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng)
    for morphism in MORPHISMS[kind].candidates(NETWORK, Bounds()):
        grown, moved = morphism.apply(NETWORK), morphism.transfer(NETWORK, weights, rng)
        joins = [n.id for n in grown.nodes if n.id not in ids(NETWORK) and len(n.inputs) > 1]
        undo = RemoveSkip(joins[-1], 1)
        assert undo.apply(grown) == NETWORK
        y = forward(NETWORK, weights, x)
        back = forward(undo.apply(grown), undo.transfer(grown, moved, rng, x), x)
        assert np.abs(back - y).max() <= 1e-9 * np.abs(y).max()


@pytest.mark.parametrize(
    ("morphism", "message"),
    [
        (RemoveLayer(1), "cannot be removed"),
        (RemoveLayer(3), "cannot be removed"),
        (RemoveLayer(9), "cannot be removed"),
        (RemoveLayer(0), "cannot be removed"),
        (RemoveLayer(15), "cannot be changed"),
        (RemoveSkip(4, 0), "no skip"),
        (RemoveSkip(9, 2), "no skip"),
        (RemoveSkip(9, -1), "no skip"),
    ],
)
def test_what_cannot_go_is_illegal(morphism, message):
    with pytest.raises(IllegalMorphism, match=message):
        morphism.apply(NETWORK)


def test_a_concatenation_that_is_summed_up_keeps_its_parts():
    nodes = [
        *NETWORK.nodes[:11],
        Node(20, Conv2d(12, 1), (3,)),
        Node(21, Add(), (10, 20)),
        Node(11, GlobalAvgPool2d(), (21,)),
        *NETWORK.nodes[12:],
    ]
    network = Architecture(tuple(nodes))
    assert 10 not in [m.node_id for m in RemoveSkip.candidates(network, Bounds())]
    with pytest.raises(IllegalMorphism, match="do not fit together"):
        RemoveSkip(10, 0).apply(network)


def chain(*layers):
    nodes = [Node(0, Input((2, 6, 6)))]
    for layer in (*layers, GlobalAvgPool2d(), Dense(3), Output()):
        nodes.append(Node(len(nodes), layer, (len(nodes) - 1,)))
    return Architecture(tuple(nodes))


def test_a_relu6_goes_with_its_convolution_and_stays_where_it_is_needed():
    network = chain(Conv2d(2), ReLU6(), Conv2d(2, bias=False), BatchNorm(), ReLU6())
    assert ids(RemoveLayer(3).apply(network)) == [0, 1, 2, 6, 7, 8]
    assert ids(RemoveLayer(1).apply(network)) == [0, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("first", "second", "is_idle"),
    [
        (ReLU(), ReLU(), True),
        (ReLU6(), ReLU(), True),
        (ReLU6(), ReLU6(), True),
        (ReLU(), ReLU6(), False),  # values above six are still clipped
    ],
)
def test_an_activation_goes_only_where_it_changes_nothing_any_more(first, second, is_idle):
    network = chain(Conv2d(2), first, Conv2d(2), second)
    child = reduce_architecture(network, Reduction(bypassed=frozenset({3})))
    assert ids(child) == [0, 1, 2, *([] if is_idle else [4]), 5, 6, 7]


def test_a_padded_pool_can_go_and_a_zero_operation_cannot():
    network = chain(Conv2d(2), AvgPool2d(3, 1, 1), Zero(), Conv2d(3))
    assert [m.node_id for m in RemoveLayer.candidates(network, Bounds())] == [1, 2]
    with pytest.raises(IllegalMorphism, match="cannot be removed"):
        RemoveLayer(3).apply(network)


def test_removals_in_words():
    assert RemoveLayer(4).describe(NETWORK) == "remove convolution 4"
    assert RemoveSkip(9, 1).describe(NETWORK) == "remove the skip from convolution 8 to sum 9"
