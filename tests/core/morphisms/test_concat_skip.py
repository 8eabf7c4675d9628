"""Skips by concatenation."""

import numpy as np

from core.layers import Dense, Flatten
from core.morphisms import TransferRequest
from core.morphisms.concat_skip import ConcatSkip
from tests.core.morphisms.test_skips import NETWORK
from tests.strategies import random_weights


def test_a_skip_from_an_image_to_features_flattens_on_its_way():
    child = ConcatSkip(6, 10).apply(NETWORK)
    assert [child.node(i).layer for i in (14, 16)] == [Flatten(), Dense(7)]
    assert child.shapes[15] == (7 + 5 * 4,)
    assert child.node(11).inputs == (16,)


def test_a_new_projection_starts_as_the_identity_and_ignores_the_skip():
    rng = np.random.default_rng(0)
    weights = random_weights(NETWORK, rng)
    projection = ConcatSkip(4, 7).transfer(TransferRequest(NETWORK, weights, rng))[16]
    np.testing.assert_array_equal(projection["weight"][:, :, 0, 0], np.eye(6, 10))
    assert not projection["bias"].any()


def test_a_skip_by_concatenation_in_words():
    assert ConcatSkip(0, 7).describe(NETWORK) == "concatenate a skip from input to convolution 7"
