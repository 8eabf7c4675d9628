"""The defaults fit the data and the budget."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.histories import history
from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.graph.roots import all_roots, roots
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.search.defaults import (
    MOST_ROOTS,
    SCALES,
    bounds,
    default_bounds,
    is_in_race,
    networks,
    race_roots,
    race_size,
)
from core.search.history import PastTrial
from core.search.pace import (
    SHORTEST_TRIAL,
)
from core.search.trial_training import (
    trial_hyperparameters,
)


def spec(n: int = 60_000, shape: tuple[int, ...] = (1, 28, 28), flip: bool = True) -> DatasetSpec:
    return DatasetSpec(
        input_shape=shape,
        classes=10,
        class_names=tuple("0123456789"),
        train_examples=n,
        test_examples=1000,
        dtype="uint8",
        flip=flip,
    )


def config(seconds: float | None = None, **training: Any) -> SearchConfig:
    return SearchConfig(
        budget=Budget(trials=10, seconds=seconds), seed=7, training=Training(**training)
    )


budgets = st.floats(10, 30 * 86_400)
datasets = st.builds(
    spec,
    st.integers(10, 1_000_000),
    st.sampled_from([(1, 8, 8), (1, 28, 28), (3, 32, 32), (4,), (64,)]),
)


# --- races and their ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "strategy", "expected"),
    [
        ({"trials": 3}, "bayesian", 1),
        ({"trials": 12}, "bayesian", 3),
        ({"trials": 100}, "bayesian", 3),
        ({"trials": 100}, "bo-scratch", 1),
        ({"seconds": 60.0}, "bayesian", 1),
        ({"seconds": 1200.0}, "bayesian", 1),  # images are seen rarely
        ({"seconds": 3600.0}, "bayesian", 3),
        ({"seconds": 3600.0, "trials": 9}, "bayesian", 2),
        ({"epochs": 500}, "bayesian", 3),
    ],
)
def test_as_many_roots_race_as_leave_most_of_the_budget(budget, strategy, expected):
    chosen = SearchConfig(budget=Budget(**budget), strategy=strategy)
    assert race_size(chosen, spec()) == expected
    found = race_roots(chosen, spec(), bounds(chosen, spec()))
    assert len(found) == len(set(found)) == expected


def test_a_short_search_has_a_race_where_an_epoch_is_short():
    """20 epochs say enough; of 60,000 images 4 s are less than one."""
    hurried, few = SearchConfig(budget=Budget(seconds=60.0)), spec(300, (12, 25))
    assert race_size(hurried, few) == 3

    def seconds(data: DatasetSpec) -> float:
        return trial_hyperparameters(
            hurried, data, elapsed=0, inherited=False, in_race=True
        ).max_seconds

    assert 1.0 <= seconds(few) < seconds(spec()) == SHORTEST_TRIAL


def race(
    seconds: float, *trials: PastTrial, data: DatasetSpec | None = None
) -> tuple[Architecture, ...]:
    """The roots after these trials; for 5,000 colour images of 64 × 64 unless `data` is given."""
    data, chosen = data or spec(5_000, (3, 64, 64)), SearchConfig(budget=Budget(seconds=seconds))
    return race_roots(chosen, data, bounds(chosen, data), trials=trials)


def kinds_at_first(seconds: float, data: DatasetSpec, parallelism: int = 1) -> list[str]:
    """The kinds of the roots of a search for the data, however wide."""
    chosen = SearchConfig(budget=Budget(seconds=seconds), parallelism=parallelism)
    limits = bounds(chosen, data)
    names = {
        root.fingerprint: kind
        for scale in (1.0, *SCALES)
        for kind, root in all_roots(data, limits, scale).items()
    }
    return [names[root.fingerprint] for root in race_roots(chosen, data, limits)]


def test_images_that_are_seen_rarely_start_with_as_many_roots_as_train_at_once():
    """No race that leaves most of the time shows which kind of network is better in the end."""
    rarely, often = spec(50_000, (3, 32, 32)), spec(2_000, (3, 32, 32))
    assert kinds_at_first(300.0, rarely) == ["resnet9"]
    assert kinds_at_first(300.0, rarely, parallelism=2) == ["vgg", "resnet9"]
    assert kinds_at_first(300.0, rarely, parallelism=8) == ["vgg", "resnet9", "resnet"]
    assert kinds_at_first(300.0, often) == ["vgg", "resnet9", "resnet"]
    assert kinds_at_first(20.0, often) == ["resnet9"]


def measured(number: int, root: Architecture, slowness: float) -> PastTrial:
    """A trial of a root that takes this many times the seconds that are expected."""
    speed = 1 / (slowness * PRIOR_SPEED.seconds(root))
    return replace(history(1)[0], number=number, architecture=root, samples_per_second=speed)


def test_a_slow_machine_has_narrower_roots_and_a_fast_one_wider():
    usual, small = race(2000.0), spec(10_000, (3, 32, 32))
    slow = race(2000.0, measured(0, usual[0], 10.0))
    assert slow[1].flops < usual[1].flops
    short = race(500.0, data=small)
    fast = race(500.0, measured(0, short[0], 0.1), data=small)
    assert all(one.flops >= narrow.flops for one, narrow in zip(fast, short, strict=True))
    assert fast != short


def test_roots_that_began_keep_their_width():
    first, second, *others = race(2000.0)
    began = (measured(0, first, 10.0), measured(1, second, 10.0))
    slow = race(2000.0, measured(0, first, 10.0))
    assert second.flops != slow[1].flops
    assert others
    assert race(2000.0, *began) == (first, second, *slow[2:])


def test_few_images_have_usual_networks_until_there_is_time_for_hundreds_of_epochs():
    def widest(seconds: float, data: DatasetSpec) -> int:
        chosen = SearchConfig(budget=Budget(seconds=seconds))
        return max(one.flops for one in race_roots(chosen, data, bounds(chosen, data)))

    few, many = spec(1_000), spec(8_000)
    assert widest(150.0, few) == widest(300.0, few) < widest(1200.0, few)
    assert widest(300.0, few) < widest(300.0, many)


def test_a_root_of_images_that_are_seen_rarely_is_wider_where_it_sees_each_six_times():
    many = spec(50_000, (3, 32, 32))
    (usual,), (wider,), (widest,) = (
        race(seconds, data=many) for seconds in (300.0, 1200.0, 2200.0)
    )
    assert usual.flops < wider.flops < widest.flops
    for root, seconds in ((wider, 1200.0), (widest, 2200.0)):
        assert 8 <= seconds / (50_000 * PRIOR_SPEED.seconds(root)) < 16


@given(
    short=st.floats(200, 2_000),
    factor=st.floats(1, 10),
    examples=st.integers(100, 20_000),
    side=st.sampled_from([28, 48, 64, 96]),
)
def test_more_time_never_makes_a_root_narrower(short, factor, examples, side):
    """A scale whose networks have too many parameters is no reason for fewer."""
    data, limits = spec(examples, (3, side, side)), Bounds(parameters=2_500_000)

    def flops(seconds: float) -> list[int]:
        chosen = SearchConfig(budget=Budget(seconds=seconds))
        return [root.flops for root in race_roots(chosen, data, limits)]

    assume(race_size(SearchConfig(budget=Budget(seconds=short)), data) == MOST_ROOTS)
    assert all(less <= more for less, more in zip(flops(short), flops(factor * short), strict=True))


def test_a_first_root_that_was_too_wide_joins_the_race_once_more():
    chosen, data = SearchConfig(budget=Budget(seconds=2400.0)), spec()
    limits = bounds(chosen, data)
    first, *_ = race_roots(chosen, data, limits)
    trials = [measured(0, first, 100.0)]
    narrower, *others = race_roots(chosen, data, limits, trials=trials)
    assert narrower.flops < first.flops
    trials += [measured(n, one, 100.0) for n, one in enumerate((narrower, *others), 1)]
    assert race_roots(chosen, data, limits, trials=trials) == (narrower, *others)


def test_roots_that_are_as_fast_as_expected_stay_as_they_are():
    roots_before = race(300.0)
    trials = [measured(number, root, 1.0) for number, root in enumerate(roots_before)]
    for count in range(4):
        assert race(300.0, *trials[:count]) == roots_before


def test_a_race_is_of_short_trainings_of_roots():
    """Where examples are seen rarely, a short training would not tell which root is better."""
    chosen = SearchConfig(budget=Budget(seconds=1000.0))
    rarely, often = spec(1_000_000, (1, 100)), spec(8_000)
    for data, size in ((rarely, 2), (often, 3)):
        assert [is_in_race(chosen, data, number=n, inherited=False) for n in range(4)] == [
            n < size for n in range(4)
        ]
    assert not is_in_race(chosen, often, number=0, inherited=True)
    alone = SearchConfig(budget=Budget(trials=3))
    assert not is_in_race(alone, spec(), number=0, inherited=False)
    limits = {
        data.train_examples: [
            trial_hyperparameters(chosen, data, elapsed=0, inherited=False, in_race=has).max_seconds
            for has in (True, False)
        ]
        for data in (rarely, often)
    }
    assert limits == {1_000_000: [40, 40], 8_000: [20, 40]}


# --- bounds -------------------------------------------------------------------------------------


@given(data=datasets, seconds=st.one_of(st.none(), budgets))
def test_default_bounds_leave_room_for_the_first_root(data, seconds):
    bounds = default_bounds(data, Budget(trials=5, seconds=seconds))
    root = roots(data, Bounds())[0]
    assert fits(root, bounds)
    assert roots(data, bounds)[0] == root


@given(data=datasets, seconds=budgets, more=budgets)
def test_more_time_allows_no_smaller_architectures(data, seconds, more):
    less, longer = (
        default_bounds(data, Budget(seconds=min(one, 30 * 86_400)))
        for one in (seconds, seconds + more)
    )
    assert less.flops <= longer.flops


def test_little_time_for_much_data_allows_no_growth():
    data = spec(1_000_000, (3, 32, 32))
    root = roots(data, Bounds())[0]
    assert default_bounds(data, Budget(seconds=10)).flops == root.flops
    assert default_bounds(data, Budget(trials=10)).flops > 4 * root.flops


def test_omitted_bounds_are_chosen_and_none_means_no_bound():
    budget = Budget(trials=10)
    chosen = default_bounds(spec(), budget)
    for asked_for, expected in (
        (None, chosen),
        (Bounds(latency=0.002), chosen.model_copy(update={"latency": 0.002})),
        (Bounds(layers=7, flops=None), chosen.model_copy(update={"layers": 7, "flops": None})),
    ):
        assert bounds(SearchConfig(budget=budget, bounds=asked_for), spec()) == expected


# --- networks exported as one -------------------------------------------------------------------


def test_several_networks_are_exported_where_one_cannot_use_the_time():
    few, many = spec(1_000), spec(60_000)
    assert networks(config(80.0), few) == 1
    assert networks(config(90.0), few) == 2
    assert networks(config(150.0), few) == 3
    assert networks(config(150.0), few, 3.0) == 1  # on a slower processor
    assert networks(config(600.0), few) == 4
    assert networks(config(86_400.0), few) == 4
    assert networks(config(1200.0), many) == 1
    assert networks(SearchConfig(budget=Budget(trials=100)), few) == 1


def test_the_number_of_networks_is_the_one_requested_or_one_where_small_networks_are_wanted():
    few, long = spec(1_000), Budget(seconds=86_400.0)
    for requested in (1, 2, 8):
        assert networks(config(60.0, ensemble=requested), few) == requested
        assert networks(config(86_400.0, ensemble=requested), few) == requested
    assert networks(SearchConfig(budget=long, cost="latency"), few) == 1
    assert networks(SearchConfig(budget=long, bounds=Bounds(latency=0.01)), few) == 1
    kinds = Bounds(morphisms=("widen",), without_layers=("silu",))  # says nothing about the size
    assert networks(SearchConfig(budget=long, bounds=kinds), few) == 4
    assert networks(config(86_400.0, final_weights="fresh"), few) == 1
