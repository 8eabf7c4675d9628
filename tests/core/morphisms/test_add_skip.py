"""Skips by addition."""

import numpy as np

from core.layers import AvgPool2d, Conv2d, MaxPool2d
from core.morphisms import TransferRequest
from core.morphisms.add_skip import AddSkip
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_skips import NETWORK
from tests.strategies import random_weights


def test_pools_and_strides_on_the_way_are_copied_onto_the_skip():
    child = AddSkip(0, 7).apply(NETWORK)
    added = {node.id: node.layer for node in child.nodes if node.id > 13}
    assert list(added.values())[:3] == [MaxPool2d(), AvgPool2d(2, 2), Conv2d(6, 1)]
    assert child.node(17).inputs == (7, 16)
    assert child.node(8).inputs == (17,)


def test_a_skip_that_is_there_is_not_offered_again():
    child = AddSkip(4, 7).apply(NETWORK)
    sums = [(m.start, m.end) for m in AddSkip.candidates(child, Bounds())]
    assert (4, 16) not in sums
    assert (0, 16) in sums


def test_a_new_projection_starts_at_zero():
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    moved = AddSkip(4, 7).transfer(TransferRequest(NETWORK, weights, rng))
    assert not moved[15]["weight"].any()
    assert not moved[15]["bias"].any()


def test_a_skip_by_addition_in_words():
    assert AddSkip(4, 7).describe(NETWORK) == "add a skip from max pool 4 to convolution 7"
