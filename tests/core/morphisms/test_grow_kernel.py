"""Kernel growth: the old weights in the middle of the new ones."""

import numpy as np
import pytest

from core.errors import IllegalMorphism
from core.graph.forward import forward
from core.layers import Conv2d
from core.morphisms import TransferRequest
from core.morphisms.grow_kernel import GrowKernel
from core.protocol.contracts import Bounds
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


def test_kernels_grow_no_further_than_their_input():
    assert [m.node_id for m in GrowKernel.candidates(NETWORK, Bounds())] == [1, 5, 7]
    large = NETWORK.with_layers({1: Conv2d(4, 7), 7: Conv2d(6, 5)})
    assert [m.node_id for m in GrowKernel.candidates(large, Bounds())] == [5]


def test_only_convolutions_have_kernels():
    with pytest.raises(IllegalMorphism, match="expected a convolution"):
        GrowKernel(2).apply(NETWORK)


def test_growth_in_words():
    assert GrowKernel(1).describe(NETWORK) == "grow the kernel of convolution 1 from 3 to 5"
