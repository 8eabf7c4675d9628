"""Narrow: a width shrinks wherever it occurs, and its readers make up for the loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.graph.weights import check
from core.layers import (
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Flatten,
    Input,
    MaxPool2d,
    Output,
    ReLU,
)
from core.morphisms import TransferRequest
from core.morphisms.narrow import MIN_WIDTH, Narrow
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from tests.strategies import architectures, generators, random_inputs, random_weights


def network(*nodes: Node) -> Architecture:
    return Architecture(
        (
            Node(0, Input((2, 4, 4))),
            *nodes,
            Node(100, Flatten(), (nodes[-1].id,)),
            Node(101, Dense(3), (100,)),
            Node(102, Output(), (101,)),
        )
    )


BRANCHES = network(
    Node(1, Conv2d(8), (0,)),
    Node(2, BatchNorm(), (1,)),
    Node(3, ReLU(), (2,)),
    Node(4, DepthwiseConv2d(), (3,)),
    Node(5, Concat(), (3, 4, 3)),
    Node(6, Conv2d(8, 1), (5,)),
    Node(7, Add(), (6, 3)),
    Node(8, MaxPool2d(), (7,)),
)
SUM_WITH_CONCAT = network(
    Node(1, Conv2d(5), (0,)),
    Node(2, Conv2d(6), (0,)),
    Node(3, Concat(), (1, 2)),
    Node(4, Conv2d(11), (0,)),
    Node(5, Add(), (3, 4)),
    Node(6, ReLU(), (5,)),
)
VECTORS = Architecture(
    (
        Node(0, Input((5,))),
        Node(1, Dense(12), (0,)),
        Node(2, ReLU(), (1,)),
        Node(3, Dense(4), (2,)),
        Node(4, Output(), (3,)),
    )
)


@pytest.mark.parametrize(
    ("start", "morphism", "widths"),
    [
        (BRANCHES, Narrow(1, 2), {1: 6, 2: 6, 4: 6, 5: 18, 6: 6, 100: 24}),
        (BRANCHES, Narrow(6, 4), {1: 4, 6: 4, 100: 16}),
        (SUM_WITH_CONCAT, Narrow(1, 2), {1: 3, 2: 6, 4: 9, 100: 9 * 16}),
        (SUM_WITH_CONCAT, Narrow(4, 3, segment=1), {1: 5, 2: 3, 4: 8}),
    ],
)
def test_a_width_shrinks_wherever_it_occurs(start, morphism, widths):
    child = morphism.apply(start)
    assert {node_id: child.shapes[node_id][0] for node_id in widths} == widths
    rng = np.random.default_rng(0)
    check(child, morphism.transfer(TransferRequest(start, random_weights(start, rng), rng)))


@given(architecture=architectures(), rng=generators, data=st.data())
def test_every_free_width_can_shrink_to_one(architecture, rng, data):
    candidates = list(Narrow.candidates(architecture, Bounds()))
    for morphism in candidates[:2]:
        width = morphism._segment(architecture).width
        other = Narrow(morphism.node_id, data.draw(st.integers(1, width - 1)), morphism.segment)
        moved = other.transfer(
            TransferRequest(architecture, random_weights(architecture, rng), rng)
        )
        check(other.apply(architecture), moved)


@pytest.mark.parametrize("start", [BRANCHES, VECTORS])
def test_of_two_copies_one_is_removed_and_little_is_lost(start):
    rng = np.random.default_rng(3)
    weights, x = random_weights(start, rng), random_inputs(start, rng, count=64)
    width = start.shapes[1][0]
    wide, copied = (
        Widen(1, width).apply(start),
        Widen(1, width).transfer(TransferRequest(start, weights, rng)),
    )
    back = Narrow(1, width)
    moved = back.transfer(TransferRequest(wide, copied, rng, x))
    y = forward(start, weights, x)
    assert back.apply(wide) == start
    assert np.abs(forward(start, moved, x) - y).max() <= 0.02 * np.abs(y).max()


def test_readers_take_over_as_well_as_least_squares_can():
    rng = np.random.default_rng(1)
    weights, x = random_weights(VECTORS, rng), random_inputs(VECTORS, rng, count=400)
    morphism = Narrow(1, 3)
    moved = morphism.transfer(TransferRequest(VECTORS, weights, rng, x))
    y = forward(VECTORS, weights, x)
    found = ((forward(morphism.apply(VECTORS), moved, x) - y) ** 2).sum()

    hidden = np.maximum(x @ moved[1]["weight"].T + moved[1]["bias"], 0)
    design = np.c_[hidden, np.ones(len(x))][:256]  # the number of examples used
    best = np.linalg.lstsq(design, y[:256], rcond=None)[0]
    least = ((np.c_[hidden, np.ones(len(x))] @ best - y) ** 2).sum()
    assert found <= 1.1 * least


def test_the_removed_channels_matter_least():
    rng = np.random.default_rng(2)
    weights = random_weights(VECTORS, rng)
    weights[3]["weight"][:, [2, 5, 9]] *= 1e-3
    moved = Narrow(1, 3).transfer(
        TransferRequest(VECTORS, weights, rng, random_inputs(VECTORS, rng, count=100))
    )
    stay = np.delete(weights[1]["weight"], [2, 5, 9], axis=0)
    np.testing.assert_array_equal(moved[1]["weight"], stay)


def test_nothing_is_offered_below_the_least_width():
    for start in (BRANCHES, SUM_WITH_CONCAT, VECTORS):
        found = list(Narrow.candidates(start, Bounds()))
        assert found
        for morphism in found:
            assert morphism._segment(start).width - morphism.fewer >= MIN_WIDTH
    offered = [(m.node_id, m.fewer) for m in Narrow.candidates(VECTORS, Bounds())]
    assert offered == [(1, 4), (1, 6)]


@pytest.mark.parametrize(
    ("morphism", "message"),
    [
        (Narrow(3, 1), "cannot be changed"),
        (Narrow(2, 1), "not a width"),
        (Narrow(1, 0), "expected 1 to 11"),
        (Narrow(1, 12), "expected 1 to 11"),
        (Narrow(1, 1, segment=1), "not a width"),
    ],
)
def test_a_width_that_cannot_shrink_is_illegal(morphism, message):
    with pytest.raises(IllegalMorphism, match=message):
        morphism.apply(VECTORS)


def test_a_narrowing_in_words():
    assert Narrow(1, 4).describe(VECTORS) == "narrow dense layer 1 from 12 to 8 channels"


@pytest.mark.parametrize(
    ("width", "fewer"), [(4, []), (5, [1]), (8, [2, 4]), (12, [4, 6]), (16, [4, 8]), (30, [10, 18])]
)
def test_widths_shrink_by_a_quarter_or_half_and_wide_ones_stay_multiples_of_four(width, fewer):
    architecture = network(Node(1, Conv2d(width), (0,)))
    assert [one.fewer for one in Narrow.candidates(architecture, Bounds())] == fewer


def test_channels_are_removed_one_by_one_with_the_least_error_each_time():
    """The errors by least squares over the remaining channels, for every choice."""
    rng = np.random.default_rng(4)
    weights, x = random_weights(VECTORS, rng), random_inputs(VECTORS, rng, count=200)
    hidden = np.maximum(x @ weights[1]["weight"].T + weights[1]["bias"], 0)
    hidden = hidden - hidden.mean(axis=0)
    y, kept = hidden @ weights[3]["weight"].T, list(range(12))

    def error(channels: list[int]) -> float:
        read = hidden[:, channels]
        return float(((read @ np.linalg.lstsq(read, y, rcond=None)[0] - y) ** 2).sum())

    for _ in range(7):
        kept.remove(min(kept, key=lambda channel: error([c for c in kept if c != channel])))
    moved = Narrow(1, 7).transfer(TransferRequest(VECTORS, weights, rng, x))
    np.testing.assert_array_equal(moved[1]["weight"], weights[1]["weight"][kept])
