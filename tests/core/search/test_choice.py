"""Which trial wins."""

import dataclasses
import math

import numpy as np
import pytest

from core.search.choice import (
    ERROR,
    LOSS,
    exponents_of,
    learning_exponent,
    ranked_by_forecast,
    winner,
)
from core.search.history import PastTrial
from core.search.lineage import Goal, with_shares
from tests.core.search.test_lineage import trial

GOAL = Goal(seconds=1000.0)


def seen(*trials: PastTrial) -> tuple[PastTrial, ...]:
    return with_shares([dataclasses.replace(one, inheritable=True) for one in trials], GOAL)


def curve(seconds: float, scale: float, exponent: float) -> float:
    """The accuracy of a learning curve that is a power law."""
    return 1 - scale * (seconds / 1000) ** -exponent


def test_at_equal_training_the_best_value_wins():
    trials = seen(trial(0, value=0.8), trial(1, value=0.9), trial(2, value=0.85))
    assert winner(trials).number == 1
    assert [one.trial.number for one in ranked_by_forecast(trials)] == [1, 2, 0]


def test_without_a_value_nothing_wins():
    assert winner(seen(trial(0), trial(1))) is None
    assert winner(()) is None


@pytest.mark.parametrize("exponent", [0.1, 0.3, 0.5])
def test_the_exponent_of_the_learning_curve_comes_from_trials_trained_on(exponent):
    """Three continued trainings on one power law; least squares through the same points."""
    trials, number = [], 0
    for scale, first, more in ((0.1, 10.0, 90.0), (0.2, 20.0, 500.0), (0.15, 5.0, 100.0)):
        trials.append(trial(number, value=curve(first, scale, exponent), seconds=first))
        total = first + more
        trials.append(trial(number + 1, number, value=curve(total, scale, exponent), seconds=more))
        number += 2
    found = learning_exponent(seen(*trials))
    gains = np.array([math.log(10), math.log(26), math.log(21)])
    design = np.append(gains, math.sqrt(2.0))  # the prior as one more observation
    target = np.append(gains * exponent, math.sqrt(2.0) * 0.25)
    assert found == pytest.approx(np.linalg.lstsq(design[:, None], target, rcond=None)[0][0])
    assert abs(found - exponent) < abs(0.25 - exponent) or exponent == 0.25


def test_the_exponent_stays_within_the_range_of_learning_curves():
    worse = seen(trial(0, value=0.9), trial(1, 0, value=0.3, seconds=900.0))
    assert learning_exponent(worse) == ERROR.least


def test_a_network_with_little_training_wins_where_its_curve_leads_further():
    """It is as good after a tenth of the training."""
    trials = seen(trial(0, value=0.88, seconds=500.0), trial(1, value=0.87, seconds=50.0))
    assert winner(trials).number == 1
    assert winner(seen(*(dataclasses.replace(one, seconds=50.0) for one in trials))).number == 0


def test_a_lineage_that_gained_more_than_others_is_expected_to_go_on_gaining_more():
    """Both are as good now; the second began behind, as large networks do."""
    trials = seen(
        trial(0, value=0.86, value_std=0.002),
        trial(1, 0, value=0.90, value_std=0.002, seconds=20.0),
        trial(2, value=0.80, value_std=0.002),
        trial(3, 2, value=0.90, value_std=0.002, seconds=20.0),
    )
    found = exponents_of(trials)
    ids = [one.trial_id for one in trials]
    assert found[ids[1]] < found[ids[3]]
    assert found[ids[0]] == found[ids[2]] == learning_exponent(trials)
    assert winner(trials).number == 3


def test_a_loss_that_still_falls_is_expected_to_go_on_falling():
    """Their values do not differ beyond noise; the loss of the first one does not fall any more."""
    trials = seen(
        trial(0, value=0.85, value_std=0.025, validation_loss=0.468),
        trial(1, 0, value=0.86, value_std=0.025, validation_loss=0.470, seconds=20.0),
        trial(2, value=0.84, value_std=0.025, validation_loss=0.530),
        trial(3, 2, value=0.85, value_std=0.025, validation_loss=0.475, seconds=20.0),
    )
    of_loss = exponents_of(trials, LOSS)
    assert of_loss[trials[1].trial_id] < of_loss[trials[3].trial_id]
    assert winner(trials).number == 3


def test_a_gain_that_noise_could_explain_changes_an_exponent_little():
    def gap(std):
        trials = seen(
            trial(0, value=0.80, value_std=std),
            trial(1, 0, value=0.90, value_std=std, seconds=20.0),
        )
        found = exponents_of(trials)
        return abs(found[trials[1].trial_id] - found[trials[0].trial_id])

    assert gap(0.1) < gap(0.01) / 5


def test_descendants_have_the_exponent_of_their_lineage():
    trials = seen(
        trial(0, value=0.80, value_std=0.002),
        trial(1, 0, value=0.90, value_std=0.002, seconds=20.0),
        trial(2, 1, value=0.91, value_std=0.002, morphisms=("any",)),
    )
    found = exponents_of(trials)
    assert found[trials[2].trial_id] == found[trials[1].trial_id] > found[trials[0].trial_id]


def test_of_values_that_noise_could_explain_the_lowest_loss_wins():
    trials = seen(
        trial(0, value=0.90, value_std=0.02, validation_loss=0.40),
        trial(1, value=0.89, value_std=0.02, validation_loss=0.30),
        trial(2, value=0.70, value_std=0.02, validation_loss=0.10),
    )
    assert [one.trial.number for one in ranked_by_forecast(trials)] == [1, 0, 2]


def test_values_are_told_apart_by_the_standard_error_of_their_difference():
    best = trial(0, value=0.90, value_std=0.02, validation_loss=0.4)
    near = trial(1, value=0.875, value_std=0.02, validation_loss=0.3)  # 1.25 × 0.02 behind
    far = dataclasses.replace(near, value=0.86)
    assert winner(seen(best, near)).number == 1
    assert winner(seen(best, far)).number == 0


def test_a_trial_that_was_continued_does_not_win_in_place_of_its_continuation():
    trials = seen(
        trial(0, value=0.90, value_std=0.02, validation_loss=0.2),
        trial(1, 0, value=0.89, value_std=0.02, validation_loss=0.4, seconds=500.0),
        trial(2, value=0.5),
    )
    assert winner(trials).number == 1
    running = dataclasses.replace(trials[1], value=None)
    assert winner([trials[0], running]).number == 0


def test_a_network_without_weights_wins_only_where_none_has_any():
    bare = dataclasses.replace(trial(0, value=0.9), inheritable=False)
    assert winner([bare, *seen(trial(1, value=0.5))]).number == 1
    assert winner([bare]).number == 0


def test_values_of_a_task_with_another_best_value_are_ranked_by_what_is_missing_to_it():
    """As of a negative error, whose best value is 0: -0.01 is half of the error of -0.02."""

    def errors(best: float) -> list[float]:
        trials = [trial(0, value=best - 0.02), trial(1, value=best - 0.01)]
        ranked = ranked_by_forecast(
            seen(*[dataclasses.replace(one, best_value=best) for one in trials])
        )
        assert [one.trial.number for one in ranked] == [1, 0]
        return [one.log_error for one in ranked]

    assert errors(0.0) == pytest.approx(errors(1.0))
