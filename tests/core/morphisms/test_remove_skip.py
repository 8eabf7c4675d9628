"""Removing a skip: what is removed with it, and what is offered."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import Add, Conv2d, Dense, GlobalAvgPool2d, Output
from core.morphisms import MORPHISMS, TransferRequest
from core.morphisms.remove_layer import RemoveLayer
from core.morphisms.remove_skip import RemoveSkip
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_reduction import NETWORK, ids
from tests.strategies import random_inputs, random_weights


def test_layers_that_only_served_a_skip_are_removed_with_it():
    assert ids(RemoveSkip(9, 1).apply(NETWORK)) == [n for n in ids(NETWORK) if n not in (8, 9)]
    assert ids(RemoveSkip(9, 0).apply(NETWORK)) == [n for n in ids(NETWORK) if n not in (7, 9)]
    child = RemoveSkip(10, 1).apply(NETWORK)
    assert child.node(11).inputs == (9,)
    assert child.shapes[11] == (6,)


def test_skips_are_offered_at_each_sum_and_concatenation():
    found = [(m.node_id, m.place) for m in RemoveSkip.candidates(NETWORK, Bounds())]
    assert found == [(9, 0), (9, 1), (10, 0), (10, 1)]


@pytest.mark.parametrize("kind", ["residual", "separable", "squeeze_excite", "add_skip"])
def test_an_insertion_is_undone_without_a_loss(kind):
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng)
    for morphism in MORPHISMS[kind].candidates(NETWORK, Bounds()):
        grown, moved = (
            morphism.apply(NETWORK),
            morphism.transfer(TransferRequest(NETWORK, weights, rng)),
        )
        joins = [n.id for n in grown.nodes if n.id not in ids(NETWORK) and len(n.inputs) > 1]
        undo = RemoveSkip(joins[-1], 1)
        assert undo.apply(grown) == NETWORK
        y = forward(NETWORK, weights, x)
        back = forward(undo.apply(grown), undo.transfer(TransferRequest(grown, moved, rng, x)), x)
        assert np.abs(back - y).max() <= 1e-9 * np.abs(y).max()


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


@pytest.mark.parametrize(("node_id", "index"), [(4, 0), (9, 2), (9, -1)])
def test_an_input_that_is_no_skip_is_illegal(node_id, index):
    with pytest.raises(IllegalMorphism, match=f"no skip at input {index}"):
        RemoveSkip(node_id, index).apply(NETWORK)


def test_a_removal_of_a_skip_in_words():
    assert RemoveSkip(9, 1).describe(NETWORK) == "remove the skip from convolution 8 to sum 9"


def test_a_removal_that_takes_many_layers_is_not_offered():
    """The long branch of four convolutions stays; its skip can be removed."""
    branch = [Node(20 + i, Conv2d(6), (19 + i if i else 3,)) for i in range(4)]
    nodes = [*NETWORK.nodes[:4], *branch, Node(30, Add(), (23, 3))]
    nodes += [
        Node(31, GlobalAvgPool2d(), (30,)),
        Node(32, Dense(3), (31,)),
        Node(33, Output(), (32,)),
    ]
    network = Architecture(tuple(nodes))
    assert [(m.node_id, m.place) for m in RemoveSkip.candidates(network, Bounds())] == [(30, 1)]
    shorter = RemoveLayer(21).apply(network)
    assert [m.place for m in RemoveSkip.candidates(shorter, Bounds())] == [0, 1]
