"""Widen: a width grows wherever it occurs, and the function stays the same."""

import numpy as np
import pytest
from hypothesis import given

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import (
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool2d,
    Input,
    MaxPool2d,
    Output,
    ReLU,
)
from core.morphisms import TransferRequest
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from tests.strategies import architectures, generators, random_inputs, random_weights


def relative_change(network: Architecture, morphism: Widen, seed: int = 0) -> float:
    rng = np.random.default_rng(seed)
    weights, x = random_weights(network, rng), random_inputs(network, rng)
    y = forward(network, weights, x)
    moved = morphism.transfer(TransferRequest(network, weights, rng))
    return float(np.abs(forward(morphism.apply(network), moved, x) - y).max() / np.abs(y).max())


def image_network(*nodes: Node, head: type = Flatten) -> Architecture:
    last = nodes[-1].id
    return Architecture(
        (
            Node(0, Input((2, 4, 4))),
            *nodes,
            Node(100, head(), (last,)),
            Node(101, Dense(3), (100,)),
            Node(102, Output(), (101,)),
        )
    )


CONCAT_OF_POOL_AND_NORM = image_network(
    Node(1, Conv2d(3), (0,)),
    Node(2, MaxPool2d(), (1,)),
    Node(3, BatchNorm(), (2,)),
    Node(4, Concat(), (2, 3, 2)),
    Node(5, Conv2d(4, 1), (4,)),
)
SUM_WITH_CONCAT = image_network(
    Node(1, Conv2d(3), (0,)),
    Node(2, Conv2d(5), (0,)),
    Node(3, Concat(), (1, 2)),
    Node(4, Conv2d(8), (0,)),
    Node(5, Add(), (3, 4)),
    Node(6, ReLU(), (5,)),
)
RESIDUAL = image_network(
    Node(1, Conv2d(4), (0,)),
    Node(2, ReLU(), (1,)),
    Node(3, Conv2d(4), (2,)),
    Node(4, Add(), (2, 3)),
    Node(5, Conv2d(4), (4,)),
    Node(6, Add(), (4, 5)),
    head=GlobalAvgPool2d,
)


@pytest.mark.parametrize(
    ("network", "morphism", "widths"),
    [
        (CONCAT_OF_POOL_AND_NORM, Widen(1, 2), {1: 5, 3: 5, 4: 15, 5: 4}),
        (CONCAT_OF_POOL_AND_NORM, Widen(5, 3), {1: 3, 5: 7, 100: 28}),
        (SUM_WITH_CONCAT, Widen(1, 2), {1: 5, 2: 5, 4: 10}),
        (SUM_WITH_CONCAT, Widen(2, 2), {1: 3, 2: 7, 4: 10}),
        (SUM_WITH_CONCAT, Widen(4, 2, segment=1), {1: 3, 2: 7, 4: 10}),
        (RESIDUAL, Widen(5, 3), {1: 7, 3: 7, 5: 7, 100: 7}),
    ],
)
def test_a_width_grows_wherever_it_occurs(network, morphism, widths):
    child = morphism.apply(network)
    assert {node_id: child.shapes[node_id][0] for node_id in widths} == widths
    assert relative_change(network, morphism) <= 1e-12


@given(architecture=architectures(), rng=generators)
def test_every_free_width_can_grow_by_any_number(architecture, rng):
    for morphism in Widen.candidates(architecture, Bounds()):
        other = Widen(morphism.node_id, int(rng.integers(1, 8)), morphism.segment)
        assert relative_change(architecture, other) <= 1e-10


def test_each_width_is_offered_once():
    offered = [(m.node_id, m.segment) for m in Widen.candidates(RESIDUAL, Bounds())]
    assert set(offered) == {(1, 0)}


def test_no_layer_grows_beyond_the_bound():
    found = list(Widen.candidates(SUM_WITH_CONCAT, Bounds(width=11)))
    assert found
    assert all(max(s[0] for s in _own(m.apply(SUM_WITH_CONCAT))) <= 11 for m in found)


def _own(architecture):
    return [architecture.shapes[n.id] for n in architecture.nodes if isinstance(n.layer, Conv2d)]


@pytest.mark.parametrize(
    ("morphism", "message"),
    [
        (Widen(101, 1), "cannot be changed"),
        (Widen(0, 1), "not a width"),
        (Widen(2, 1), "not a width"),
        (Widen(1, 0), "expected at least 1"),
        (Widen(1, -3), "expected at least 1"),
        (Widen(1, 1, segment=1), "not a width"),
        (Widen(1, 1, segment=-1), "not a width"),
    ],
)
def test_a_width_that_cannot_grow_is_illegal(morphism, message):
    with pytest.raises(IllegalMorphism, match=message):
        morphism.apply(RESIDUAL)


def test_a_width_tied_to_the_data_is_illegal():
    network = image_network(Node(1, Conv2d(2), (0,)), Node(2, Add(), (0, 1)))
    assert list(Widen.candidates(network, Bounds())) == []
    with pytest.raises(IllegalMorphism, match="tied to the data"):
        Widen(1, 2).apply(network)


def test_a_widening_in_words():
    assert Widen(1, 4).describe(RESIDUAL) == "widen convolution 1 from 4 to 8 channels"


@pytest.mark.parametrize(
    ("width", "extras"), [(1, [1]), (3, [2, 3]), (7, [4, 7]), (8, [4, 8]), (10, [6, 10])]
)
def test_widths_grow_by_half_or_double_and_wide_ones_stay_multiples_of_four(width, extras):
    network = image_network(Node(1, Conv2d(width), (0,)))
    assert [morphism.extra for morphism in Widen.candidates(network, Bounds())] == extras
