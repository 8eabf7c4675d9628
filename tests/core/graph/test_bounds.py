"""Bounds: each on its own, at its limit and just beyond."""

import pytest

from core.errors import UnknownKind
from core.graph.bounds import (
    BATCH_SIZE,
    ExceededMemory,
    MeasuredBounds,
    check_excluded,
    cost,
    excluded_layers,
    fits,
    latency,
    measured_bounds,
    width,
)
from core.graph.building import chain
from core.graph.cost import training_memory
from core.graph.latency import PRIOR_SPEED
from core.graph.speed import PRIOR_SPEED as PRIOR_TRAINING_SPEED
from core.layers import Conv2d, Dense, Flatten, Input, Output, ReLU
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost

NETWORK = chain(
    iter(
        [Input((40, 16, 16)), Conv2d(8), ReLU(), Flatten(), Dense(20), ReLU(), Dense(30), Output()]
    )
)
PARAMETERS = (8 * 40 * 9 + 8) + (20 * 8 * 256 + 20) + (30 * 20 + 30)
MEMORY = training_memory(NETWORK.costs, BATCH_SIZE)


def test_the_width_counts_what_layers_make_but_neither_the_data_nor_the_classes():
    assert width(NETWORK) == 20
    assert width(chain(iter([Input((40,)), Dense(30), Output()]))) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", 8),
        ("width", 20),
        ("parameters", PARAMETERS),
        ("flops", NETWORK.flops),
        ("memory", MEMORY),
    ],
)
def test_a_network_fits_at_a_bound_and_not_beyond(name, value):
    assert fits(NETWORK, Bounds(**{name: value}))
    assert not fits(NETWORK, Bounds(**{name: value - 1}))


def test_a_network_with_an_excluded_layer_does_not_fit():
    bounds = Bounds(without_layers=("silu", "relu", "conv2d", "relu"))
    assert not fits(NETWORK, bounds)
    assert excluded_layers(NETWORK, bounds) == ("conv2d", "relu")
    others = Bounds(without_layers=("silu", "batch_norm"))
    assert fits(NETWORK, others)
    check_excluded(others)
    with pytest.raises(UnknownKind, match=r"unknown layer 'swish'; known are: .*silu"):
        check_excluded(Bounds(without_layers=("silu", "swish")))


def test_the_latency_is_a_bound_that_measurements_change():
    bounds = Bounds(latency=PRIOR_SPEED.latency(NETWORK))
    assert fits(NETWORK, bounds)
    assert not fits(NETWORK, bounds.model_copy(update={"latency": 0.99 * bounds.latency}))
    slow = measured_bounds(bounds, latencies=[(NETWORK, 3 * bounds.latency)])
    assert latency(NETWORK, slow) == pytest.approx(3 * bounds.latency)
    assert not fits(NETWORK, slow)


def test_what_every_device_ran_out_of_is_a_bound_for_the_batches_of_the_search():
    memory = training_memory(NETWORK.costs, 256)
    for exceeded, does_fit in ((memory, False), (memory + 1, True)):
        bounds = measured_bounds(Bounds(), exceeded_memory=ExceededMemory(exceeded, batch_size=256))
        assert fits(NETWORK, bounds) is does_fit


def test_the_seconds_of_training_are_a_bound_once_they_are_measured():
    seconds = PRIOR_TRAINING_SPEED.seconds(NETWORK)
    measured = [(NETWORK, 2 * seconds)]
    assert fits(NETWORK, measured_bounds(Bounds(), trainings=measured))
    for share, expected in ((1.99, False), (2.01, True)):
        bounds = measured_bounds(Bounds(), trainings=measured, example_seconds=share * seconds)
        assert fits(NETWORK, bounds) is expected


def test_measured_bounds_keep_the_given_bounds():
    bounds = Bounds(layers=9, width=50, memory=10**9)
    measured = measured_bounds(bounds)
    assert isinstance(measured, MeasuredBounds)
    assert bounds.model_dump().items() <= measured.model_dump().items()
    assert measured.speed == PRIOR_SPEED
    assert measured.training_speed == PRIOR_TRAINING_SPEED


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Cost.PARAMETERS, PARAMETERS),
        (Cost.FLOPS, NETWORK.flops),
        (Cost.LATENCY, PRIOR_SPEED.latency(NETWORK)),
    ],
)
def test_a_cost_is_the_number_of_its_name(kind, expected):
    assert cost(kind, NETWORK, Bounds()) == expected
