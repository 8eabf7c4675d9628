"""Which trials are trained on without a morphism."""

import dataclasses
from uuid import UUID

from benchmarks.histories import history
from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from core.search.lineage import Goal, with_shares
from core.search.race import chosen, finalists, is_settled, promotions, without_superseded
from tests.core.search.test_lineage import trial

ROOTS = tuple({one.architecture for one in history(8)})[:4]


def raced(*values: float | None) -> list[PastTrial]:
    """A trial of each root; None: still running."""
    return [
        dataclasses.replace(
            trial(number),
            architecture=root,
            value=value,
            status=TrialStatus.RUNNING if value is None else TrialStatus.COMPLETED,
            inheritable=value is not None,
        )
        for number, (root, value) in enumerate(zip(ROOTS, values, strict=True))
    ]


def continuing(parent: PastTrial, number: int, **values: object) -> PastTrial:
    return dataclasses.replace(
        trial(number, parent.number), architecture=parent.architecture, inheritable=True, **values
    )


def numbers(suggestions):
    assert all(one.morphisms == () for one in suggestions)
    assert all(one.architecture == one.parent.architecture for one in suggestions)
    return [one.parent.number for one in suggestions]


def test_the_better_half_of_the_roots_is_trained_on():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    assert numbers(promotions(trials, ROOTS, 2, 5)) == [1, 3]
    assert numbers(promotions(trials, ROOTS, 2, 1)) == [1]
    assert numbers(promotions(trials, ROOTS, 3, 5)) == [1, 3, 2]


def test_a_race_is_decided_when_every_root_has_ended():
    assert promotions(raced(0.5, 0.9, None, 0.8), ROOTS, 2, 5) == []


def test_a_root_is_trained_on_once():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    running = continuing(trials[1], 4, status=TrialStatus.RUNNING, value=None)
    assert numbers(promotions([*trials, running], ROOTS, 2, 5)) == [3]
    failed = dataclasses.replace(running, status=TrialStatus.FAILED)
    assert numbers(promotions([*trials, failed], ROOTS, 2, 5)) == [1, 3]


def test_a_root_that_cannot_be_trained_is_not_trained_on():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    trials[1] = dataclasses.replace(
        trials[1], status=TrialStatus.INFEASIBLE, value=None, inheritable=False
    )
    assert numbers(promotions(trials, ROOTS, 2, 5)) == [3, 2]


def test_one_root_alone_does_not_race():
    alone = raced(0.5, 0.9, 0.7, 0.8)[:1]
    assert promotions(alone, ROOTS[:1], 0, 5) == []
    assert numbers(promotions(alone, ROOTS[:1], 1, 5)) == [0]


def test_a_network_that_a_user_enqueued_during_the_race_has_not_lost_it():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    given = dataclasses.replace(trial(4, value=0.99), inheritable=True, network_id=UUID(int=7))
    known = [*trials, given, continuing(trials[1], 5, value=0.92)]
    assert chosen(known).number == 4
    assert [one.number for one in without_superseded(known) if one.inheritable] == [4, 5]


def test_losers_and_continued_trials_are_no_longer_parents():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    assert all(one.inheritable for one in without_superseded(trials))
    trials += [continuing(trials[1], 4, value=0.95), continuing(trials[3], 5, value=0.9)]
    child = continuing(trials[4], 6, value=0.96)
    after = without_superseded([*trials, child])
    assert [one.number for one in after if one.inheritable] == [5, 6]
    assert [one.value for one in after] == [one.value for one in [*trials, child]]


def test_the_best_two_are_trained_further_before_the_end():
    noisy = [dataclasses.replace(one, value_std=0.2) for one in raced(0.5, 0.9, 0.7, 0.8)]
    trials = with_shares(noisy, Goal(seconds=100.0))
    assert numbers(finalists(trials, 5)) == [1, 3]
    again = continuing(trials[1], 4, value=0.93, value_std=0.2)
    known = with_shares([*trials, again], Goal(seconds=100.0))
    assert UUID(int=4) not in {one.parent.trial_id for one in finalists(known, 5)}


def test_a_single_best_trial_is_not_trained_further():
    sure = [dataclasses.replace(one, value_std=0.001) for one in raced(0.5, 0.9, 0.7, 0.8)]
    assert finalists(with_shares(sure, Goal(seconds=100.0)), 5) == []


def test_a_search_is_settled_when_enough_children_did_not_win():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    trials.append(continuing(trials[1], 4, value=0.95))
    assert not is_settled(trials, 2)
    child = dataclasses.replace(continuing(trials[4], 5, value=0.8), morphisms=("any",))
    other = dataclasses.replace(child, number=6, trial_id=UUID(int=6))
    assert not is_settled([*trials, child], 2)
    assert is_settled([*trials, child, other], 2)
    running = dataclasses.replace(other, status=TrialStatus.RUNNING, value=None)
    assert not is_settled([*trials, child, running], 2)


def test_a_child_that_wins_restarts_the_count_even_after_it_is_continued():
    trials = raced(0.5, 0.9, 0.7, 0.8)
    lost = [
        dataclasses.replace(continuing(trials[1], n, value=0.8), morphisms=("any",)) for n in (4, 5)
    ]
    won = dataclasses.replace(continuing(trials[1], 6, value=0.99), morphisms=("any",))
    assert is_settled([*trials, *lost], 2)
    assert not is_settled([*trials, *lost, won], 2)
    again = continuing(won, 7, value=0.995)
    later = dataclasses.replace(continuing(won, 8, value=0.8), morphisms=("any",))
    assert not is_settled([*trials, *lost, won, again, later], 2)


def test_a_root_that_lost_the_race_does_not_win_by_its_forecast():
    trials = [dataclasses.replace(one, value_std=0.2) for one in raced(0.5, 0.9, 0.7, 0.8)]
    trials.append(continuing(trials[1], 4, value=0.91, value_std=0.2))
    known = with_shares(trials, Goal(seconds=100.0))
    assert chosen(known).number == 4
    assert [one.parent.number for one in finalists(known, 5)] == []
