"""How trials and final fits are trained fits the data and the budget."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.contracts.training import Optimiser
from core.search.defaults import networks
from core.search.pace import (
    END_SECONDS,
    SHORTEST_TRIAL,
    passes_in_time,
    trials_deadline,
)
from core.search.trial_training import (
    MOST_FINAL_EXAMPLES,
    TIMED_EPOCHS,
    Spent,
    final_hyperparameters,
    trial_hyperparameters,
)
from tests.core.search.test_defaults import budgets, config, datasets, spec


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
    spent = Spent(in_lineage=1, total=1, epochs_in_lineage=6)
    alone, final = (
        final_hyperparameters(chosen, spec(), elapsed=0, inherited=has, spent=spent)
        for has in (False, True)
    )
    assert (alone.epochs, alone.decay, final.decay) == (12, 0.5, 0.75)
    assert final.learning_rate == root.learning_rate
    assert root.optimiser is (optimiser or Optimiser.MUON)


@given(seconds=st.floats(30, 86_400), n=st.integers(500, 1_000_000))
def test_only_a_final_fit_ends_with_a_few_epochs_of_examples_as_they_are(seconds, n):
    chosen, data = config(seconds), spec(n)
    assert trial_hyperparameters(chosen, data, elapsed=0, inherited=True).unaugmented == 0
    share = final_hyperparameters(chosen, data, elapsed=0).unaugmented
    passes = passes_in_time(chosen, data) / networks(chosen, data)
    assert share == pytest.approx(0.3 if passes <= 20 else 6 / passes)


FEW = spec(1_000)


@pytest.mark.parametrize(
    ("chosen", "data", "share"),
    [
        (config(600), FEW, 0.5),
        (config(600, final_epochs=25), FEW, 0.5),
        (config(600, final_epochs=24), FEW, 1.0),  # too few to learn it again
        (config(20), spec(4_900), 1.0),
        (config(600).model_copy(update={"root": uuid4()}), FEW, 1.0),  # of the user's
        (config(600), spec(5_000), 1.0),
        (config(600), spec(1_000, (3, 100)), 1.0),
    ],
)
def test_a_final_fit_on_few_images_starts_from_half_of_the_inherited_weights(chosen, data, share):
    found = final_hyperparameters(chosen, data, elapsed=0, inherited=True)
    assert found.inherited_share == share
    assert final_hyperparameters(chosen, data, elapsed=0).inherited_share == 1
    trial = trial_hyperparameters(chosen, data, elapsed=0, inherited=True)
    assert trial.inherited_share == 1


@pytest.mark.parametrize(("seconds", "share"), [(30, 0.5), (400, 1.0)])
def test_long_trials_are_kept_whole(seconds, share):
    spent = Spent(in_lineage=seconds, total=seconds, epochs_in_lineage=10)
    found = final_hyperparameters(config(600), FEW, elapsed=100, inherited=True, spent=spent)
    assert found.inherited_share == share
    assert found.decay == (0.5 if share < 1 else pytest.approx(0.5 * (1 + 400 / 488)))


@given(before=st.floats(1, 200))
def test_the_rate_falls_over_the_second_half_of_all_training(before):
    """A final fit that is short beside the trials of its lineage is the last part of that half."""
    spent = Spent(in_lineage=before, total=before, epochs_in_lineage=5)
    found = final_hyperparameters(config(300), spec(), elapsed=100, inherited=True, spent=spent)
    assert found.max_seconds is not None
    level = before + (1 - found.decay) * found.max_seconds
    expected = max(before, (before + found.max_seconds) / 2)
    assert level == pytest.approx(expected)


def test_the_rate_falls_at_once_where_the_network_is_of_a_user():
    chosen = config(300).model_copy(update={"root": uuid4()})
    spent = Spent(in_lineage=1, total=1, epochs_in_lineage=5)
    found = final_hyperparameters(chosen, spec(), elapsed=100, inherited=True, spent=spent)
    assert found.decay == 1


@pytest.mark.parametrize(("epochs", "share"), [(20, 0.5), (21, 1.0)])
def test_many_epochs_of_trials_are_kept_whole(epochs, share):
    spent = Spent(in_lineage=9, total=9, epochs_in_lineage=epochs)
    chosen = config(final_epochs=50)
    found = final_hyperparameters(chosen, FEW, elapsed=0, inherited=True, spent=spent)
    assert found.inherited_share == share


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
        ("warp", (2, 64), True, "warp"),
        ("warp", (64,), True, "none"),
        ("warp", (1, 28, 28), True, "none"),
        ("affine", (2, 64), True, "none"),
        ("auto", (2, 64), True, "none"),
        ("auto", (1, 3, 3), False, "none"),
        ("auto", (1, 1, 16), True, "flip"),
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
