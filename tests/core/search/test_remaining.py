"""The time that a search still takes has its final fit in it."""

from dataclasses import replace

import pytest

from core.search.remaining import Progress, seconds_left
from core.search.trial_training import Spent, final_hyperparameters
from tests.core.search.test_defaults import config, spec

HALF = Progress(
    elapsed=60.0,
    ended=6,
    epochs=120,
    spent=Spent(in_lineage=20.0, total=60.0, epochs_in_lineage=40),
    final_epochs=0,
)


def of_trials(count: int, **training: int):
    """A search that is limited in trials alone."""
    made = config()
    return made.model_copy(
        update={
            "budget": made.budget.model_copy(update={"trials": count, "seconds": None}),
            "training": made.training.model_copy(update=training),
            "parallelism": 1,
        }
    )


def test_the_rest_of_the_trials_and_the_final_fit_count():
    left = seconds_left(of_trials(12, final_epochs=100), spec(), HALF)
    assert left == pytest.approx(60 + 100 * 0.5)


def test_without_a_best_trial_the_speed_is_that_of_all() -> None:
    nothing = Spent(in_lineage=0.0, total=30.0, epochs_in_lineage=0)
    left = seconds_left(of_trials(12, final_epochs=100), spec(), replace(HALF, spent=nothing))
    assert left == pytest.approx(30 + 100 * 0.25)


def test_a_final_fit_of_unknown_length_is_as_long_as_its_hyperparameters_say():
    chosen = of_trials(12)
    spent = replace(HALF.spent, total=120.0)
    epochs = final_hyperparameters(chosen, spec(), elapsed=60, spent=spent).epochs
    assert seconds_left(chosen, spec(), HALF) == pytest.approx(60 + 0.5 * epochs)


def test_parallel_trials_take_less_time_and_networks_of_an_ensemble_more():
    one = of_trials(12, final_epochs=100)
    assert seconds_left(one.model_copy(update={"parallelism": 2}), spec(), HALF) == 30 + 50
    joint = of_trials(12, final_epochs=100, ensemble=3)
    assert seconds_left(joint, spec(), HALF) == 60 + 150


def test_a_running_final_fit_has_its_own_epochs_left():
    finishing = replace(HALF, ended=12, final_epochs=75)
    assert seconds_left(of_trials(12, final_epochs=100), spec(), finishing) == 25 * 0.5
    over = replace(finishing, final_epochs=200)
    assert seconds_left(of_trials(12, final_epochs=100), spec(), over) == 0


def test_without_an_ended_trial_nothing_is_known():
    start = replace(
        HALF, ended=0, epochs=0, spent=Spent(in_lineage=0, total=0, epochs_in_lineage=0)
    )
    assert seconds_left(of_trials(12), spec(), start) is None


def test_a_budget_in_seconds_has_the_final_fit_in_it():
    assert seconds_left(config(600.0), spec(), HALF) == 540
    assert seconds_left(config(30.0), spec(), HALF) == 0
