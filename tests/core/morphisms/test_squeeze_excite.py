"""Squeeze-and-excitation blocks."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import (
    Add,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    Gate,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
    Scale,
)
from core.morphisms import MORPHISMS, TransferRequest
from core.morphisms.abstract import factor_nodes
from core.morphisms.add_skip import AddSkip
from core.morphisms.squeeze_excite import SqueezeExcite
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from tests.strategies import random_inputs, random_weights

IMAGES = Architecture(
    (
        Node(0, Input((2, 6, 6))),
        Node(1, Conv2d(8), (0,)),
        Node(2, ReLU(), (1,)),
        Node(3, Conv2d(8), (2,)),
        Node(4, BatchNorm(), (3,)),
        Node(5, Add(), (2, 4)),
        Node(6, ReLU(), (5,)),
        Node(7, Flatten(), (6,)),
        Node(8, Dense(3), (7,)),
        Node(9, Output(), (8,)),
    )
)
SIGNALS = Architecture(
    (
        Node(0, Input((2, 9))),
        Node(1, Conv1d(5), (0,)),
        Node(2, ReLU(), (1,)),
        Node(3, GlobalAvgPool1d(), (2,)),
        Node(4, Dense(3), (3,)),
        Node(5, Output(), (4,)),
    )
)
SQUEEZED = SqueezeExcite(2, 4).apply(IMAGES)  # nodes 10 to 15, the last of them the scaling


def candidates(architecture: Architecture, kind: str = "squeeze_excite"):
    return list(MORPHISMS[kind].candidates(architecture, Bounds()))


def test_the_block_pools_squeezes_excites_and_scales():
    assert [SQUEEZED.node(i).layer for i in range(10, 16)] == [
        GlobalAvgPool2d(), Dense(4), ReLU(), Dense(8), Gate(), Scale(),
    ]  # fmt: skip
    assert SQUEEZED.node(15).inputs == (2, 14)
    assert SQUEEZED.node(3).inputs == (15,)
    assert SQUEEZED.node(5).inputs == (15, 4)


@pytest.mark.parametrize(("start", "node_id"), [(IMAGES, 2), (IMAGES, 4), (SIGNALS, 2)])
def test_a_new_block_changes_no_bit_of_the_output(start, node_id):
    rng = np.random.default_rng(0)
    weights, x = random_weights(start, rng, np.float32), random_inputs(start, rng, np.float32)
    morphism = SqueezeExcite(node_id, 4)
    moved = morphism.transfer(TransferRequest(start, weights, rng))
    found = forward(morphism.apply(start), moved, x)
    np.testing.assert_array_equal(found, forward(start, weights, x))


def test_no_hidden_unit_is_off_on_every_example():
    rng = np.random.default_rng(1)
    weights = random_weights(IMAGES, rng)
    moved = SqueezeExcite(6, 16).transfer(TransferRequest(IMAGES, weights, rng))
    hidden = moved[11]
    means = forward_to(IMAGES, weights, 6, random_inputs(IMAGES, rng, count=64)).mean(axis=(2, 3))
    on = (means @ hidden["weight"].T + hidden["bias"] > 0).any(axis=0)
    assert on.mean() >= 0.9


def forward_to(architecture, weights, node_id, x):
    values = {0: x}
    for node in architecture.nodes[1:]:
        inputs = [values[source] for source in node.inputs]
        values[node.id] = node.layer.forward(weights.get(node.id, {}), inputs)
    return values[node_id]


def test_it_is_offered_behind_activations_and_in_branches_of_sums_once_each():
    assert candidates(IMAGES) == [SqueezeExcite(n, 4) for n in (2, 4, 6)]
    assert candidates(SIGNALS) == [SqueezeExcite(2, 4)]
    assert SqueezeExcite(2, 4) not in candidates(SQUEEZED)


@pytest.mark.parametrize(
    ("node_id", "units", "message"),
    [(7, 4, "does not fit"), (2, 0, "at least 1"), (8, 4, "cannot be changed")],
)
def test_a_block_that_does_not_apply_is_illegal(node_id, units, message):
    with pytest.raises(IllegalMorphism, match=message):
        SqueezeExcite(node_id, units).apply(IMAGES)


def test_widening_the_scaled_channels_widens_the_factors_too():
    child = Widen(1, 3).apply(SQUEEZED)
    assert {child.shapes[n][0] for n in (1, 2, 3, 5, 10, 13, 14, 15)} == {11}
    assert child.shapes[11] == (4,)
    assert Widen(11, 2).apply(SQUEEZED).shapes[11] == (6,)


def test_no_change_is_offered_at_nodes_that_only_make_factors():
    assert factor_nodes(SQUEEZED) == {10, 11, 12, 13, 14}
    assert factor_nodes(IMAGES) == frozenset()
    for kind in ("deepen", "residual", "separable"):
        positions = {morphism.node_id for morphism in candidates(SQUEEZED, kind)}
        assert positions
        assert not positions & factor_nodes(SQUEEZED)
    for kind in ("add_skip", "concat_skip"):
        ends = {n for m in candidates(SQUEEZED, kind) for n in (m.start, m.end)}
        assert ends
        assert not ends & factor_nodes(SQUEEZED)


def test_a_skip_never_starts_from_factors():
    with pytest.raises(IllegalMorphism, match="does not lead"):
        AddSkip(14, 5).apply(SQUEEZED)
    assert AddSkip(2, 5).apply(SQUEEZED).shapes[5] == (8, 6, 6)


def test_the_block_in_words():
    assert SqueezeExcite(2, 4).describe(IMAGES) == (
        "insert squeeze-and-excitation by 4 units behind ReLU 2"
    )


@pytest.mark.parametrize(("channels", "units"), [(2, 4), (8, 4), (20, 5), (64, 16)])
def test_there_is_a_hidden_unit_for_every_four_channels_but_never_fewer_than_four(channels, units):
    network = IMAGES.with_layers({1: Conv2d(channels), 3: Conv2d(channels)})
    assert {one.units for one in candidates(network)} == {units}
