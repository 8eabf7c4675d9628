"""Kernel growth: the old weights in the middle of the new ones."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.node import Node
from core.layers import Conv2d, Dense, DepthwiseConv2d, Flatten, Input, Output, ReLU
from core.morphisms import TransferRequest
from core.morphisms.grow_kernel import GrowKernel
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_skips import NETWORK
from tests.strategies import random_inputs, random_weights


@pytest.mark.parametrize("node_id", [1, 5, 7])
def test_kernels_grow_at_any_stride(node_id):
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng)
    child, moved = NETWORK, weights
    for _ in range(2):
        moved = GrowKernel(node_id).transfer(TransferRequest(child, moved, rng))
        child = GrowKernel(node_id).apply(child)
    assert child.node(node_id).layer.kernel == 7
    assert not moved[node_id]["weight"][:, :, :2].any()
    np.testing.assert_allclose(
        forward(child, moved, x), forward(NETWORK, weights, x), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("layer", [Conv2d(4, pads=(0, 2, 1, 0)), DepthwiseConv2d(pads=(0,) * 4)])
def test_pads_grow_with_the_kernel(layer):
    layers = [Input((3, 6, 5)), layer, ReLU(), Flatten(), Dense(3), Output()]
    nodes = [Node(i, one, (i - 1,) if i else ()) for i, one in enumerate(layers)]
    network, rng = Architecture(tuple(nodes)), np.random.default_rng(0)
    weights, x = random_weights(network, rng), random_inputs(network, rng)
    child = GrowKernel(1).apply(network)
    moved = GrowKernel(1).transfer(TransferRequest(network, weights, rng))
    assert child.node(1).layer.pads == tuple(pad + 1 for pad in layer.pads)
    np.testing.assert_allclose(
        forward(child, moved, x), forward(network, weights, x), rtol=1e-10, atol=1e-10
    )


def test_kernels_grow_no_further_than_their_input():
    assert [m.node_id for m in GrowKernel.candidates(NETWORK, Bounds())] == [1, 5, 7]
    large = NETWORK.with_layers({1: Conv2d(4, 7), 7: Conv2d(6, 5)})
    assert [m.node_id for m in GrowKernel.candidates(large, Bounds())] == [5]


def test_only_convolutions_have_kernels():
    with pytest.raises(IllegalMorphism, match="expected a convolution"):
        GrowKernel(2).apply(NETWORK)


def test_growth_in_words():
    assert GrowKernel(1).describe(NETWORK) == "grow the kernel of convolution 1 from 3 to 5"
