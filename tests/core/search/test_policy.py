"""The softmax policy against slopes taken numerically, and its baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.search.strategies.policy import Baseline, Choices, Policy, choices

AMONG = choices(
    [{"a": 1.0, "b": 0.5}, {"a": -1.0}, {"b": 2.0, "c": 1.0}, {}], prior=[1.0, 2.0, 1.0, 0.5]
)


def test_before_anything_is_learned_choices_are_drawn_by_their_prior():
    assert Policy().probabilities(AMONG) == pytest.approx(np.array([2, 4, 2, 1]) / 9)


def test_a_feature_that_is_not_named_is_zero():
    assert AMONG.names == ("a", "b", "c")
    assert AMONG.features.tolist() == [[1, 0.5, 0], [-1, 0, 0], [0, 2, 1], [0, 0, 0]]


@given(
    weights=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    chosen=st.integers(0, 3),
    step=st.floats(-0.5, 0.5),
)
def test_learning_follows_the_slope_of_the_log_probability(weights, chosen, step):
    def log_probability(theta):
        policy = Policy(dict(zip(AMONG.names, theta, strict=True)))
        return np.log(policy.probabilities(AMONG)[chosen])

    width = 1e-6
    slopes = [
        (log_probability(weights + width * axis) - log_probability(weights - width * axis))
        / (2 * width)
        for axis in np.eye(3)
    ]
    policy = Policy(dict(zip(AMONG.names, weights, strict=True)))
    policy.learn(AMONG, chosen, step)
    moved = np.array([policy.weights[name] for name in AMONG.names]) - weights
    np.testing.assert_allclose(moved, step * np.array(slopes), atol=1e-7)


def test_no_choice_becomes_impossible():
    policy = Policy()
    for _ in range(1000):
        policy.learn(AMONG, 0, 3.0)
    probabilities = policy.probabilities(AMONG)
    assert np.isfinite(probabilities).all()
    assert probabilities.min() > 0
    assert probabilities.argmax() == 0


def test_an_order_starts_with_each_choice_as_often_as_it_is_likely():
    policy = Policy({"a": 0.7})
    rng = np.random.default_rng(0)
    orders = [policy.order(AMONG, rng) for _ in range(4000)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    shares = np.bincount([order[0] for order in orders]) / len(orders)
    assert shares == pytest.approx(policy.probabilities(AMONG), abs=0.03)


def test_an_advantage_counts_standard_deviations_from_the_mean_so_far():
    baseline = Baseline(memory=1.0)
    assert baseline.advantage(5.0) == 0  # nothing to compare with
    assert baseline.advantage(5.0) == 0  # as expected
    assert baseline.advantage(6.0) > 0
    assert baseline.mean == pytest.approx(16 / 3)
    assert baseline.advantage(-1000.0) == pytest.approx(
        -2.0, abs=1e-3
    )  # of four, none is further from the mean
    assert baseline.advantage(baseline.mean) == 0


def test_a_short_memory_follows_the_latest_rewards():
    long, short = Baseline(memory=1.0), Baseline(memory=0.5)
    for reward in (0.0, 0.0, 0.0, 0.0, 1.0, 1.0):
        long.advantage(reward)
        short.advantage(reward)
    assert long.mean == pytest.approx(1 / 3)
    assert short.mean > 0.7


def test_one_choice_is_certain():
    alone = Choices(("a",), np.ones((1, 1)), np.ones(1))
    policy = Policy()
    policy.learn(alone, 0, 1.0)
    assert policy.probabilities(alone) == 1
    assert policy.weights["a"] == 0
