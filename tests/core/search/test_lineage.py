"""How much training stands behind each trial."""

import dataclasses
from uuid import UUID

import pytest

from benchmarks.histories import history
from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from core.search.lineage import LEAST_SHARE, Goal, training, with_shares

ARCHITECTURE = history(1)[0].architecture


def trial(number: int, parent: int | None = None, **values: object) -> PastTrial:
    usual = PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=ARCHITECTURE,
        status=TrialStatus.COMPLETED,
        parent_id=None if parent is None else UUID(int=parent),
        epochs=2,
        seconds=10.0,
    )
    return dataclasses.replace(usual, **values)


FAMILY = (trial(0), trial(1, 0, seconds=5.0), trial(2, 0), trial(3, 1, epochs=7), trial(4))


def test_a_lineage_has_the_training_of_all_its_trials():
    seconds = training(FAMILY, in_seconds=True)
    epochs = training(tuple(reversed(FAMILY)), in_seconds=False)
    assert [seconds[UUID(int=n)] for n in range(5)] == [10, 15, 20, 25, 10]
    assert [epochs[UUID(int=n)] for n in range(5)] == [2, 4, 4, 11, 2]


def test_a_future_trial_has_the_training_of_its_parent():
    waiting = trial(5, 3, status=TrialStatus.WAITING, epochs=None, seconds=None)
    assert training((*FAMILY, waiting), in_seconds=True)[UUID(int=5)] == 25


def test_an_unknown_parent_counts_as_not_trained():
    assert training((trial(7, 99),), in_seconds=True) == {UUID(int=7): 10}


@pytest.mark.parametrize(
    ("goal", "shares"),
    [
        (Goal(seconds=100.0), [0.1, 0.15, 0.2, 0.25, 0.1]),
        (Goal(epochs=8.0), [0.25, 0.5, 0.5, 1.0, 0.25]),
        (Goal(seconds=1e9), [LEAST_SHARE] * 5),
    ],
)
def test_a_share_is_that_of_the_final_networks_training(goal, shares):
    assert [one.fidelity for one in with_shares(FAMILY, goal)] == pytest.approx(shares)


def test_without_a_goal_trials_stay_as_they_are():
    assert with_shares(FAMILY, None) == FAMILY
    assert with_shares(FAMILY, Goal()) == FAMILY
