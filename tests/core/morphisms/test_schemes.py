"""When new channels copy old ones, and when sums start without them."""

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import (
    AbstractLayer,
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dropout,
    Flatten,
    Input,
    Output,
    ReLU,
)
from core.morphisms import TransferRequest
from core.morphisms.moments import estimate_moments
from core.morphisms.schemes import is_dropped
from core.morphisms.widen import Widen
from tests.strategies import random_weights

FILTERS = 4


def network(*layers: AbstractLayer) -> Architecture:
    """A convolution (1), these layers (10, ...) and itself joined (50), dense (52)."""
    branch = [Node(10 + i, layer, (10 + i - 1 if i else 1,)) for i, layer in enumerate(layers)]
    return Architecture(
        (
            Node(0, Input((2, 4, 4))),
            Node(1, Conv2d(FILTERS), (0,)),
            *branch,
            Node(50, Concat(), (branch[-1].id, 1)),
            Node(51, Flatten(), (50,)),
            Node(52, Dense(3), (51,)),
            Node(53, Output(), (52,)),
        )
    )


PLAIN = network(DepthwiseConv2d(), BatchNorm(), ReLU())
DROPPED = network(DepthwiseConv2d(), BatchNorm(), Dropout(0.5), ReLU())
READ_BEFORE = network(Conv2d(3, 1), Dropout(0.5), Conv2d(FILTERS))


@pytest.mark.parametrize(
    ("architecture", "node_id", "expected"),
    [
        (PLAIN, 1, False),
        (DROPPED, 1, True),
        (READ_BEFORE, 1, False),  # the sum over the channels is before the dropout
        (READ_BEFORE, 10, True),
        (READ_BEFORE, 12, False),
    ],
)
def test_channels_are_dropped_if_a_dropout_comes_before_the_sums(architecture, node_id, expected):
    assert is_dropped(architecture, architecture.segments[node_id][0]) is expected


def test_new_channels_have_initial_weights_and_sums_ignore_them():
    rng = np.random.default_rng(0)
    weights = random_weights(PLAIN, rng)
    moved = Widen(1, 3).transfer(TransferRequest(PLAIN, weights, rng))
    for node_id in (1, 10, 11):
        for name, array in weights[node_id].items():
            np.testing.assert_array_equal(moved[node_id][name][:FILTERS], array)
    rows = moved[1]["weight"].reshape(7, -1)
    assert all(np.abs(rows[new] - row).max() > 0.1 for new in (4, 5, 6) for row in rows[:new])
    columns = moved[52]["weight"].reshape(3, 2, 7, 16)
    np.testing.assert_array_equal(columns[:, :, FILTERS:], 0)
    old = weights[52]["weight"].reshape(3, 2, FILTERS, 16)
    np.testing.assert_array_equal(columns[:, :, :FILTERS], old)
    np.testing.assert_array_equal(moved[52]["bias"], weights[52]["bias"])


def test_the_norms_of_new_channels_have_statistics_that_fit():
    rng = np.random.default_rng(0)
    weights = random_weights(PLAIN, rng)
    morphism = Widen(1, 3)
    moved = morphism.transfer(TransferRequest(PLAIN, weights, rng))
    mean, variance = estimate_moments(morphism.apply(PLAIN), moved, 10)
    np.testing.assert_allclose(moved[11]["running_mean"][FILTERS:], mean[FILTERS:], rtol=1e-6)
    np.testing.assert_allclose(moved[11]["running_var"][FILTERS:], variance[FILTERS:], rtol=1e-6)


def test_copies_are_weighed_differently_from_the_start_and_add_up_to_the_original():
    """Equal weights would have equal gradients permanently."""
    rng = np.random.default_rng(1)
    weights = random_weights(DROPPED, rng)
    moved = Widen(1, 8).transfer(TransferRequest(DROPPED, weights, rng))
    old, new = (one[1]["weight"].reshape(len(one[1]["weight"]), -1) for one in (weights, moved))
    original = [int(np.abs(old - row).sum(axis=1).argmin()) for row in new]
    np.testing.assert_array_equal(new, old[original])
    assert np.bincount(original).tolist() == [3] * FILTERS
    columns = moved[52]["weight"].reshape(3, 2, 12, 16).swapaxes(0, 2)
    assert len(np.unique(columns.reshape(12, -1).round(6), axis=0)) == 12
    sums = np.zeros((FILTERS, *columns.shape[1:]))
    np.add.at(sums, original, columns)
    expected = weights[52]["weight"].reshape(3, 2, FILTERS, 16).swapaxes(0, 2)
    np.testing.assert_allclose(sums, expected, atol=1e-12)


def test_a_layer_that_makes_and_sums_over_the_same_channels_separates_old_and_new():
    """The channels of a sum that one of its layers reads: new rows are random, new columns zero."""
    residual = Architecture(
        (
            Node(0, Input((5,))),
            Node(1, Dense(4), (0,)),
            Node(2, Dense(4), (1,)),
            Node(3, Add(), (1, 2)),
            Node(4, Dense(2), (3,)),
            Node(5, Output(), (4,)),
        )
    )
    rng = np.random.default_rng(0)
    weights = random_weights(residual, rng)
    moved = Widen(2, 2).transfer(TransferRequest(residual, weights, rng))[2]["weight"]
    np.testing.assert_array_equal(moved[:4, :4], weights[2]["weight"])
    np.testing.assert_array_equal(moved[:, 4:], 0)
    assert np.abs(moved[4:, :4]).min() > 0
