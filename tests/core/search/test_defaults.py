"""The defaults fit the data and the budget."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.graph.bounds import fits
from core.graph.roots import roots
from core.protocol.contracts import Bounds, Budget, DatasetSpec, Optimiser, SearchConfig, Training
from core.search.defaults import (
    bounds,
    default_bounds,
    is_in_race,
    networks,
    race_roots,
    race_size,
)
from core.search.pace import (
    END_SECONDS,
    SHORTEST_TRIAL,
    remaining_trials,
    trials_deadline,
)
from core.search.trial_training import (
    MOST_FINAL_EXAMPLES,
    TIMED_EPOCHS,
    Spent,
    final_hyperparameters,
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


# --- time ---------------------------------------------------------------------------------------


def test_without_seconds_nothing_is_timed():
    assert trials_deadline(config()) is None
    assert trial_hyperparameters(config(), spec(), elapsed=99, inherited=False).max_seconds is None
    assert final_hyperparameters(config(), spec(), elapsed=99).max_seconds is None


@given(seconds=budgets, share=st.floats(0, 1))
def test_a_trial_ends_by_the_deadline_of_trials(seconds, share):
    chosen = config(seconds)
    deadline = trials_deadline(chosen)
    elapsed = share * deadline
    limit = trial_hyperparameters(chosen, spec(), elapsed=elapsed, inherited=True).max_seconds
    assert 0 < deadline < seconds
    assert limit >= 1
    assert elapsed + limit <= max(deadline, elapsed + 1) + 1e-6


@given(seconds=budgets)
def test_the_time_for_trials_is_enough_for_several(seconds):
    chosen = config(seconds)
    limit = trial_hyperparameters(chosen, spec(), elapsed=0, inherited=False).max_seconds
    assert limit >= min(SHORTEST_TRIAL, trials_deadline(chosen))
    if seconds >= 120:
        assert trials_deadline(chosen) / limit >= 8


@given(seconds=st.floats(60, 30 * 86_400), share=st.floats(0, 0.8))
def test_the_final_fit_takes_the_remaining_time_except_for_the_end(seconds, share):
    limit = final_hyperparameters(config(seconds), spec(), elapsed=share * seconds).max_seconds
    left = (1 - share) * seconds
    assert SHORTEST_TRIAL <= limit <= max(SHORTEST_TRIAL, left - END_SECONDS) + 1e-6
    if left > 60:
        assert limit > left / 2


def test_a_requested_trial_time_is_kept_unless_the_deadline_comes_first():
    requested = config(100.0, trial_seconds=20)
    limits = [
        trial_hyperparameters(requested, spec(), elapsed=elapsed, inherited=False).max_seconds
        for elapsed in (0, 20, 30, 39.5, 60)
    ]
    assert limits == [20, 20, 10, 1, 1]
    untimed = config(trial_seconds=20)
    assert trial_hyperparameters(untimed, spec(), elapsed=1e6, inherited=False).max_seconds == 20


def test_given_epochs_are_limited_by_the_deadline_alone():
    requested = config(100.0, epochs=5)
    chosen = trial_hyperparameters(requested, spec(), elapsed=10, inherited=False)
    assert (chosen.epochs, chosen.max_seconds) == (5, 30)


# --- epochs and steps ---------------------------------------------------------------------------


@given(n=st.integers(10, 1_000_000), more=st.integers(0, 1_000_000))
def test_more_data_get_fewer_epochs_and_no_smaller_batches(n, more):
    few, many = (
        trial_hyperparameters(config(), spec(size), elapsed=0, inherited=False)
        for size in (n, n + more)
    )
    assert few.epochs >= many.epochs >= 1
    assert few.batch_size <= many.batch_size


@given(data=datasets)
def test_the_final_fit_trains_longer_and_to_its_end(data):
    patient = config(patience=3)
    trial = trial_hyperparameters(patient, data, elapsed=0, inherited=False)
    final = final_hyperparameters(patient, data, elapsed=0)
    assert final.epochs > trial.epochs
    assert (trial.patience, final.patience) == (3, None)
    assert trial.learning_rate == final.learning_rate


def test_a_timed_training_may_have_many_epochs():
    chosen = config(1000.0)
    assert trial_hyperparameters(chosen, spec(), elapsed=0, inherited=False).epochs == TIMED_EPOCHS
    assert final_hyperparameters(chosen, spec(), elapsed=0).epochs == TIMED_EPOCHS


# --- how it is trained --------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", [None, *Optimiser])
def test_a_trial_is_a_piece_of_a_training_whose_rate_falls_in_the_final_fit_alone(optimiser):
    chosen = config(optimiser=optimiser)
    root, child = (
        trial_hyperparameters(chosen, spec(), elapsed=0, inherited=has) for has in (False, True)
    )
    assert root.decay == child.decay == 0
    assert root.averaging > 0  # so that the averaged weights show what the fall would bring
    assert child == root.model_copy(update={"rung": child.rung})
    assert 0 < child.rung < root.rung == 1
    alone, final = (
        final_hyperparameters(chosen, spec(), elapsed=0, inherited=has) for has in (False, True)
    )
    assert 0 < alone.decay < final.decay == 1
    assert final.learning_rate == root.learning_rate
    assert root.optimiser is (optimiser or Optimiser.MUON)


@pytest.mark.parametrize(
    ("examples", "fraction"),
    [(50, 0.4), (200, 0.3), (1_000, 0.2), (25_000, 0.2), (50_000, 0.1), (10_000_000, 0.02)],
)
def test_a_validation_split_is_a_fifth_unless_another_size_is_more_informative(examples, fraction):
    chosen = trial_hyperparameters(config(), spec(examples), elapsed=0, inherited=False)
    assert chosen.validation_fraction == fraction
    given = trial_hyperparameters(
        config(validation_fraction=0.3), spec(examples), elapsed=0, inherited=False
    )
    assert given.validation_fraction == 0.3


# --- races and their ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "strategy", "expected"),
    [
        ({"trials": 3}, "bayesian", 1),
        ({"trials": 12}, "bayesian", 3),
        ({"trials": 100}, "bayesian", 3),
        ({"trials": 100}, "bo-scratch", 1),
        ({"seconds": 60.0}, "bayesian", 1),
        ({"seconds": 1200.0}, "bayesian", 3),
        ({"seconds": 1200.0, "trials": 9}, "bayesian", 2),
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


def test_a_race_is_of_short_trainings_of_roots():
    chosen = SearchConfig(budget=Budget(seconds=1000.0))
    assert [is_in_race(chosen, spec(), number=n, inherited=False) for n in (0, 2, 3)] == [
        True, True, False,
    ]  # fmt: skip
    assert not is_in_race(chosen, spec(), number=0, inherited=True)
    alone = SearchConfig(budget=Budget(trials=3))
    assert not is_in_race(alone, spec(), number=0, inherited=False)
    limits = [
        trial_hyperparameters(chosen, spec(), elapsed=0, inherited=False, in_race=has).max_seconds
        for has in (True, False)
    ]
    assert limits == [20, 40]


def test_the_remaining_time_is_counted_in_trials_of_the_usual_length():
    timed = SearchConfig(budget=Budget(seconds=1000.0), parallelism=2)
    assert remaining_trials(timed, spec(), created=5, elapsed=300.0) == 4
    assert remaining_trials(timed, spec(), created=5, elapsed=999.0) == 0
    counted = SearchConfig(budget=Budget(trials=10))
    assert remaining_trials(counted, spec(), created=7, elapsed=0.0) == 3
    few = SearchConfig(budget=Budget(trials=4))
    assert remaining_trials(few, spec(), created=3, elapsed=0) is None


@given(
    lineage=st.floats(0.1, 100),
    elsewhere=st.floats(0, 200),
    epochs=st.integers(1, 300),
)
def test_an_untimed_final_fit_brings_most_of_the_training_into_the_exported_network(
    lineage, elsewhere, epochs
):
    """Whatever time an epoch of the winner takes beside those of the others."""
    data = spec(1438, (1, 8, 8))
    spent = Spent(in_lineage=lineage, total=lineage + elsewhere, epochs_in_lineage=epochs)
    final = final_hyperparameters(config(), data, elapsed=0, inherited=True, spent=spent).epochs
    winner = lineage + final * lineage / epochs
    assert winner / (winner + elsewhere) >= 0.6 - 1e-9 or final == MOST_FINAL_EXAMPLES // 1438
    assert final >= final_hyperparameters(config(), data, elapsed=0).epochs


def test_each_optimiser_has_rates_of_its_own():
    adamw, sgd = (
        trial_hyperparameters(config(optimiser=one), spec(), elapsed=0, inherited=False)
        for one in (Optimiser.ADAMW, Optimiser.SGD)
    )
    assert sgd.learning_rate > adamw.learning_rate
    assert sgd.weight_decay < adamw.weight_decay


@pytest.mark.parametrize("inherited", [False, True])
def test_choices_of_the_user_are_taken_zeros_included(inherited):
    requested = {
        "epochs": 3,
        "batch_size": 17,
        "optimiser": Optimiser.SGD,
        "learning_rate": 0.2,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "patience": 4,
        "validation_fraction": 0.3,
        "augmentation": "none",
        "morph_noise": 1e-4,
    }
    chosen = trial_hyperparameters(config(**requested), spec(), elapsed=0, inherited=inherited)
    assert {name: getattr(chosen, name) for name in requested} == requested
    assert chosen.split_seed == 7  # one split for all trials of a search
    assert final_hyperparameters(config(final_epochs=6), spec(), elapsed=0).epochs == 6


@pytest.mark.parametrize(
    ("requested", "shape", "flip", "expected"),
    [
        ("auto", (3, 32, 32), True, "shift-flip"),
        ("auto", (1, 28, 28), False, "shift"),
        ("none", (3, 32, 32), True, "none"),
        ("shift-flip", (3, 32, 32), False, "shift-flip"),
        ("auto", (64,), True, "none"),
        ("shift", (64,), True, "none"),
    ],
)
def test_images_are_augmented_as_far_as_their_labels_allow(requested, shape, flip, expected):
    data = spec(shape=shape, flip=flip)
    for chosen in (
        trial_hyperparameters(config(augmentation=requested), data, elapsed=0, inherited=False),
        final_hyperparameters(config(augmentation=requested), data, elapsed=0),
    ):
        assert chosen.augmentation == expected
        assert chosen.channels_last == (len(shape) == 3)


def test_images_that_are_seen_once_or_twice_are_not_augmented():
    large, small = spec(1_000_000), spec(1_000)
    hurried = config(60.0)
    for data, expected in ((large, "none"), (small, "shift-flip")):
        chosen = trial_hyperparameters(hurried, data, elapsed=0, inherited=False)
        assert chosen.augmentation == expected
    given = config(60.0, augmentation="shift")
    assert trial_hyperparameters(given, large, elapsed=0, inherited=False).augmentation == "shift"


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
    assert networks(config(300.0), few) == 1
    assert networks(config(600.0), few) == 3
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
    assert networks(config(86_400.0, final_weights="fresh"), few) == 1
