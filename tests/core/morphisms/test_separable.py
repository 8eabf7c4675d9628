"""Depthwise-separable residual blocks."""

import pytest

from core.errors import IllegalMorphism
from core.layers import Add, BatchNorm, Conv2d, DepthwiseConv2d, ReLU
from core.morphisms.residual import Residual
from core.morphisms.separable import Separable
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_skips import NETWORK


def test_the_branch_is_a_depthwise_and_a_pointwise_convolution():
    child = Separable(3).apply(NETWORK)
    added = [node.layer for node in child.nodes if node.id > 13]
    branch = [DepthwiseConv2d(3), BatchNorm(), ReLU(), Conv2d(4, 1), BatchNorm()]
    assert added == [*branch, Add(), ReLU()]
    assert child.node(4).inputs == (20,)


def test_it_has_a_fraction_of_the_operations_of_a_full_block():
    full, separable = (one.apply(NETWORK) for one in (Residual(8), Separable(8)))
    added = [one.flops - NETWORK.flops for one in (full, separable)]
    assert added[1] < added[0] / 4


def test_it_is_offered_behind_activations_with_spatial_axes():
    assert [m.node_id for m in Separable.candidates(NETWORK, Bounds())] == [3, 4, 6, 8]


def test_it_does_not_fit_a_vector():
    with pytest.raises(IllegalMorphism, match=r"does not fit values of shape \(7,\); expected an"):
        Separable(11).apply(NETWORK)


def test_the_block_in_words():
    assert Separable(3).describe(NETWORK) == (
        "insert a depthwise-separable residual block behind ReLU 3"
    )
