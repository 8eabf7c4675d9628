"""Seconds for one example, predicted from measurements of other networks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.histories import SPEC, history
from core.errors import InvalidInput
from core.graph.bounds import cost, fits, latency, measured_bounds
from core.graph.building import chain
from core.graph.latency import PRIOR_SPEED, Speed, learn
from core.graph.roots import roots
from core.layers import BatchNorm, Conv2d, GlobalAvgPool2d, Input, Output
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost

NETWORKS = [trial.architecture for trial in history(40, seed=5)]
SEEN, UNSEEN = NETWORKS[:25], NETWORKS[25:]
SPEEDS = [
    Speed(example=3e-5, layer=9e-6, weighted_layer=4e-6, operation=2e-11, value=3e-10),
    Speed(example=0.0, layer=5e-5, weighted_layer=0.0, operation=1e-14, value=0.0),  # as on a GPU
    Speed(example=0.0, layer=0.0, weighted_layer=0.0, operation=3e-10, value=0.0),
]
scales = st.floats(1e-3, 1e3)


def errors(speed, true, networks):
    return [abs(speed.latency(one) / true.latency(one) - 1) for one in networks]


@pytest.mark.parametrize(("true", "most"), [(SPEEDS[0], 0.1), (SPEEDS[1], 0.1), (SPEEDS[2], 0.3)])
def test_measured_networks_predict_others(true, most):
    """The last device is far from the prior, which pulls the estimate towards it."""
    noise = np.exp(0.02 * np.random.default_rng(1).standard_normal(25))
    by_few, by_many = [], []
    for seed in range(5, 9):
        networks = [trial.architecture for trial in history(40, seed=seed)]
        pairs = zip(networks, noise, strict=False)
        measured = [(one, true.latency(one) * slip) for one, slip in pairs]
        by_few += errors(learn(measured[:1]), true, networks[25:])
        by_many += errors(learn(measured), true, networks[25:])

    assert np.median(by_many) < min(most, 0.8 * np.median(by_few))


@given(scale=scales, count=st.integers(1, 5))
def test_few_measurements_determine_how_much_slower_the_device_is(scale, count):
    """The prior determines the share of each load."""
    measured = [(one, scale * PRIOR_SPEED.latency(one)) for one in SEEN[:count]]

    found = learn(measured)

    for one in UNSEEN:
        assert found.latency(one) == pytest.approx(scale * PRIOR_SPEED.latency(one))


@given(
    seconds=st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=8),
    indices=st.lists(st.integers(0, len(NETWORKS) - 1), min_size=8, max_size=8),
)
def test_latencies_are_positive_and_grow_with_the_network_for_any_measurements(seconds, indices):
    speed = learn([(NETWORKS[index], t) for index, t in zip(indices, seconds, strict=False)])

    small, large = sorted(NETWORKS, key=lambda one: one.flops)[:: len(NETWORKS) - 1]
    assert 0 < speed.latency(small) < np.inf
    assert speed.latency(small) <= speed.latency(large)


def test_without_measurements_the_speed_is_the_prior():
    assert learn([]) == PRIOR_SPEED


def test_the_order_of_measurements_does_not_matter():
    measured = [(one, 2 * PRIOR_SPEED.latency(one) + 1e-4) for one in SEEN[:4]]
    found = [learn(order).latency(UNSEEN[0]) for order in itertools.permutations(measured)]
    assert found == pytest.approx([found[0]] * len(found))


# --- as a bound and as a cost -------------------------------------------------------------------


def test_a_network_fits_where_it_is_expected_to_be_quick_enough():
    bounds = Bounds(latency=PRIOR_SPEED.latency(NETWORKS[0]))
    assert fits(NETWORKS[0], bounds)
    assert [fits(one, bounds) for one in NETWORKS] == [
        PRIOR_SPEED.latency(one) <= bounds.latency for one in NETWORKS
    ]


def test_measurements_decide_which_networks_fit():
    bounds = Bounds(latency=PRIOR_SPEED.latency(NETWORKS[0]))
    slow = measured_bounds(bounds, [(NETWORKS[0], 2 * bounds.latency)])
    assert not fits(NETWORKS[0], slow)
    assert latency(NETWORKS[0], slow) == pytest.approx(2 * bounds.latency)
    assert fits(NETWORKS[0], measured_bounds(slow, []))  # without the old measurement


def test_every_cost_is_a_positive_number():
    one = NETWORKS[0]
    assert [cost(kind, one, Bounds()) for kind in Cost] == [
        one.parameters,
        one.flops,
        PRIOR_SPEED.latency(one),
    ]


def test_a_latency_that_no_root_can_meet_is_refused_with_the_expected_one():
    with pytest.raises(InvalidInput, match=r"an expected latency of \S+ ms"):
        roots(SPEC, Bounds(latency=1e-6))


# --- loads --------------------------------------------------------------------------------------


def unit(name: str) -> Speed:
    """A device on which only one load takes time, a second for each unit."""
    names = ("example", "layer", "weighted_layer", "operation", "value")
    return Speed(**{one: float(one == name) for one in names})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example", 1),
        ("layer", 5),
        ("weighted_layer", 2),  # a batch norm has weights, too
        ("operation", 2 * 36 * 8 * 27 + 2 * 36 * 8 + 36 * 8),
        # weights, statistics and outputs
        ("value", (8 * 27 + 8) + (4 * 8) + (108 + 2 * 288 + 8 + 8)),
    ],
)
def test_the_loads_are_those_counted_by_hand(name, expected):
    network = chain(iter([Input((3, 6, 6)), Conv2d(8), BatchNorm(), GlobalAvgPool2d(), Output()]))
    assert unit(name).latency(network) == expected
