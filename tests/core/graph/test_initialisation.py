"""The layers that end a branch, their initial gains, and the initial weights."""

import numpy as np
import pytest

from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.initialisation import branch_gains, initialise
from core.graph.node import Node
from core.layers import (
    AbstractLayer,
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Gate,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
    Scale,
    Zero,
)


def graph(*nodes: tuple[AbstractLayer, tuple[int, ...]]) -> Architecture:
    """An architecture whose ids count from zero; the head is added."""
    head = [(Dense(3), (len(nodes) - 1,)), (Output(), (len(nodes),))]
    return Architecture(tuple(Node(i, *node) for i, node in enumerate([*nodes, *head])))


def test_a_branch_beside_a_bare_skip_ends_at_zero_without_a_norm():
    plain = graph(
        (Input((4,)), ()), (ReLU(), (0,)), (Dense(4), (1,)), (Dropout(0.1), (2,)), (Add(), (1, 3))
    )
    assert branch_gains(plain) == {2: 0.0}


def test_a_norm_that_ends_a_branch_starts_smaller_the_more_sums_there_are():
    block = [(Conv2d(2), (0,)), (BatchNorm(), (1,)), (Add(), (0, 2))]
    once = graph((Input((2, 4, 4)), ()), *block, (GlobalAvgPool2d(), (3,)))
    again = [(Conv2d(2), (3,)), (BatchNorm(), (4,)), (Add(), (3, 5))]
    twice = graph((Input((2, 4, 4)), ()), *block, *again, (GlobalAvgPool2d(), (6,)))
    assert branch_gains(once) == {2: 1.0}
    assert branch_gains(twice) == pytest.approx({2: 0.5**0.5, 5: 0.5**0.5})


def test_of_two_branches_the_deeper_keeps_its_size():
    for inputs in ((2, 3), (3, 2)):
        both = graph(
            (Input((4,)), ()), (Dense(6), (0,)), (Dense(5), (1,)), (Dense(5), (0,)), (Add(), inputs)
        )
        assert branch_gains(both) == {3: 0.0}


def test_a_value_with_other_readers_keeps_its_size():
    shared = graph(
        (Input((4,)), ()), (Dense(4), (0,)), (ReLU(), (1,)), (Dense(4), (2,)), (Add(), (1, 3)),
        (Add(), (4, 1)),
    )  # fmt: skip
    assert branch_gains(shared) == {3: 0.0}


def test_a_tensor_added_to_itself_keeps_its_size():
    doubled = graph((Input((4,)), ()), (Dense(4), (0,)), (Add(), (1, 1)))
    assert branch_gains(doubled) == {}


def test_a_gate_starts_with_factors_of_one():
    gated = graph((Input((4,)), ()), (Dense(4), (0,)), (Gate(), (1,)), (Scale(), (0, 2)))
    assert branch_gains(gated) == {1: 0.0}


# --- the weights --------------------------------------------------------------------------------


def test_values_have_the_size_one_and_logits_a_little_less():
    network = chain(iter([Input((500,)), Dense(800), Dense(1000), Output()]))
    rng = np.random.default_rng(0)
    weights, x = initialise(network, rng, np.float64), rng.standard_normal((200, 500))
    hidden = x @ weights[1]["weight"].T
    assert np.sqrt(np.mean(hidden**2)) == pytest.approx(1, rel=0.1)
    logits = hidden @ weights[2]["weight"].T
    assert np.sqrt(np.mean(logits**2)) == pytest.approx(0.8, rel=0.1)
    assert not weights[1]["bias"].any()


def test_branches_start_with_their_gains():
    block = [(Conv2d(2), (0,)), (BatchNorm(), (1,)), (Add(), (0, 2)), (ReLU(), (3,))]
    more = [(Conv2d(2), (4,)), (Add(), (4, 5)), (GlobalAvgPool2d(), (6,))]
    weights = initialise(graph((Input((2, 4, 4)), ()), *block, *more), np.random.default_rng(0))
    assert weights[2]["weight"] == pytest.approx([0.5**0.5] * 2)
    assert weights[2]["running_var"].tolist() == [1, 1]
    assert not weights[5]["weight"].any()
    assert weights[1]["weight"].all()


def test_tiny_values_are_not_scaled_up_without_limit():
    """A layer behind zeros keeps finite weights."""
    network = graph((Input((4,)), ()), (Zero(), (0,)), (Dense(5), (1,)))
    weights = initialise(network, np.random.default_rng(0))
    assert np.isfinite(weights[2]["weight"]).all()
    assert np.abs(weights[2]["weight"]).max() < 1000
