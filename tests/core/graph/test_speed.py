"""Seconds of training for one example, predicted from the trials' reports."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.stats import spearmanr

from benchmarks.histories import history
from core.graph.building import chain
from core.graph.roots import all_roots
from core.graph.speed import PRIOR, PRIOR_SPEED, TrainingSpeed, learn
from core.graph.timing import PRIOR_WEIGHT
from core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    GlobalAvgPool2d,
    Input,
    Output,
    ReLU,
)
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec

#: Each layer with its loads counted by hand, to be added up.
#: operations, depthwise operations, values, layers, parameters
COUNTED = [
    (Input((3, 6, 6)), (0, 0, 108, 1, 0)),
    (Conv2d(8), (2 * 36 * 8 * 27 + 36 * 8, 0, 288, 1, 8 * 27 + 8)),
    (BatchNorm(), (None, 0, 288, 1, 16)),
    (DepthwiseConv2d(), (0, None, 288, 1, 8 * 9 + 8)),
    (ReLU(), (None, 0, 288, 1, 0)),
    (GlobalAvgPool2d(), (None, 0, 8, 1, 0)),
    (Dense(5), (None, 0, 5, 1, 45)),
    (Output(), (0, 0, 5, 1, 0)),
]
MIXED = chain(iter([layer for layer, _ in COUNTED]))
SPEC = DatasetSpec(
    input_shape=(1, 28, 28),
    classes=10,
    class_names=tuple("0123456789"),
    train_examples=1000,
    test_examples=10,
    dtype="uint8",
)
ROOTS = list(all_roots(SPEC, Bounds()).values())
MORPHS = [trial.architecture for trial in history(40, seed=5)]
NETWORKS = [*ROOTS, *MORPHS]
scales = st.floats(1e-3, 1e3)


def unit(name):
    """A worker on which only one load takes time, a second for each unit."""
    names = ("operation", "depthwise_operation", "value", "layer", "parameter")
    return TrainingSpeed(**{one: float(one == name) for one in names})


def loads(architecture):
    """The loads, one by one, by workers with unit speeds."""
    names = ("operation", "depthwise_operation", "value", "layer", "parameter")
    return np.array([unit(name).seconds(architecture) for name in names])


def test_the_loads_are_those_counted_by_hand():
    counted = [sum(row[column] for _, row in COUNTED) for column in (2, 3, 4)]
    assert list(loads(MIXED)[2:]) == counted


def test_operations_are_those_of_depthwise_convolutions_or_others():
    depthwise = COUNTED[3][0].flops(((8, 6, 6),))
    assert depthwise > 0
    assert list(loads(MIXED)[:2]) == [MIXED.flops - depthwise, depthwise]


def test_seconds_are_the_loads_each_at_its_speed():
    speed = TrainingSpeed(1e-11, 2e-10, 3e-9, 4e-6, 5e-11)
    assert speed.seconds(MIXED) == pytest.approx(
        loads(MIXED) @ np.array([1e-11, 2e-10, 3e-9, 4e-6, 5e-11])
    )


def test_without_reports_the_speed_is_the_prior():
    assert learn([]) == PRIOR_SPEED


def test_speeds_are_the_least_squares_of_relative_errors_and_the_prior():
    """By another solver, which minimises the sum of the module's docstring."""
    rng = np.random.default_rng(3)
    networks = NETWORKS[:14]
    X = np.array([loads(one) for one in networks])
    true = np.array(PRIOR) * np.exp(rng.normal(size=len(PRIOR)))
    t = X @ true * np.exp(0.1 * rng.standard_normal(len(networks)))

    slowness = np.exp(np.median(np.log(t / (X @ PRIOR))))
    rows = np.vstack([X * PRIOR * slowness / t[:, None], np.eye(5) * np.sqrt(PRIOR_WEIGHT)])
    targets = np.concatenate([np.ones(len(t)), np.full(5, np.sqrt(PRIOR_WEIGHT))])
    u = lsq_linear(rows, targets, bounds=(0, np.inf), tol=1e-14).x

    found = learn(list(zip(networks, t, strict=True)))
    expected = X @ (u * slowness * PRIOR)
    assert [found.seconds(one) for one in networks] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "true",
    [
        TrainingSpeed(1e-11, 1e-9, 1e-9, 1e-6, 1e-10),
        TrainingSpeed(4e-12, 3e-11, 5e-9, 4e-6, 0.0),
        TrainingSpeed(1e-13, 1e-12, 1e-11, 1e-5, 1e-12),  # layers alone, as on a GPU
    ],
)
def test_reports_of_few_networks_predict_others(true):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(NETWORKS))
    seen, unseen = ([NETWORKS[i] for i in part] for part in (order[:12], order[12:]))
    speed = learn([(one, true.seconds(one) * np.exp(0.05 * rng.standard_normal())) for one in seen])
    found = np.array([speed.seconds(one) for one in unseen])
    expected = np.array([true.seconds(one) for one in unseen])
    assert np.median(abs(found / expected - 1)) < 0.15
    assert spearmanr(found, expected).statistic > 0.95


@given(scale=scales, count=st.integers(1, 5))
def test_few_reports_determine_how_much_slower_the_worker_is(scale, count):
    """The prior determines the share of each load."""
    found = learn([(one, scale * PRIOR_SPEED.seconds(one)) for one in NETWORKS[:count]])
    for one in NETWORKS[count:]:
        assert found.seconds(one) == pytest.approx(scale * PRIOR_SPEED.seconds(one))


@given(
    seconds=st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=8),
    indices=st.lists(st.integers(0, len(NETWORKS) - 1), min_size=8, max_size=8),
)
@example(  # only depthwise convolutions would cost anything
    seconds=[88.0, 107.0, 113.0, 46.0, 48.0, 835.0, 0.35], indices=[0, 0, 0, 4, 4, 0, 17, 0]
)
def test_seconds_are_positive_and_grow_with_the_network_for_any_reports(seconds, indices):
    speed = learn([(NETWORKS[i], t) for i, t in zip(indices, seconds, strict=False)])
    assert all(0 < speed.seconds(one) < np.inf for one in NETWORKS)
    deeper = chain(
        iter([Input((3, 6, 6)), Conv2d(8), Conv2d(8), *(n.layer for n in MIXED.nodes[2:])])
    )
    assert speed.seconds(MIXED) <= speed.seconds(deeper)


def test_the_order_of_reports_does_not_matter():
    measured = [(one, 2 * PRIOR_SPEED.seconds(one) + 1e-4) for one in NETWORKS[:4]]
    found = [learn(order).seconds(NETWORKS[7]) for order in itertools.permutations(measured)]
    assert found == pytest.approx([found[0]] * len(found))
