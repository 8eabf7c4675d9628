"""Shrinking: the remaining layers make up for the removed part."""

import numpy as np
import pytest

from core.graph.forward import forward
from core.graph.weights import check
from core.morphisms import TransferRequest
from core.morphisms.remove_layer import RemoveLayer
from core.morphisms.remove_skip import RemoveSkip
from core.protocol.contracts.bounds import Bounds
from tests.core.morphisms.test_reduction import NETWORK
from tests.strategies import random_inputs, random_weights


@pytest.mark.parametrize(
    "morphism",
    [
        *RemoveLayer.candidates(NETWORK, Bounds()),
        *RemoveSkip.candidates(NETWORK, Bounds()),
    ],
    ids=str,
)
def test_least_squares_lose_less_than_leaving_out(morphism):
    """Even random weights leave something that the other layers can take over."""
    rng = np.random.default_rng(0)
    weights, x = random_weights(NETWORK, rng), random_inputs(NETWORK, rng, count=128)
    child = morphism.apply(NETWORK)
    moved = morphism.transfer(TransferRequest(NETWORK, weights, rng, x))
    check(child, moved)
    y = forward(NETWORK, weights, x)
    loss = ((forward(child, moved, x) - y) ** 2).mean() / y.var(axis=0).mean()
    assert loss <= 1.0  # as the mean of the logits would lose
    if isinstance(morphism, RemoveLayer) and morphism.node_id == 14:
        assert loss <= 1e-20
