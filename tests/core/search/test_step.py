"""One step of a search is a function of its snapshot."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from benchmarks.histories import SPEC, features, history, value
from core.errors import SearchSettled, SpaceExhausted, UnknownKind
from core.graph.architecture import Architecture
from core.graph.bounds import ExceededMemory, fits
from core.graph.building import chain
from core.graph.cost import training_memory
from core.graph.roots import roots
from core.graph.speed import learn
from core.layers import Dense, Flatten, Input, Output, ReLU
from core.morphisms import apply_all, to_json
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion
from core.search.lineage import Goal
from core.search.step import Snapshot, step
from core.search.strategies import STRATEGIES

every_strategy = pytest.mark.parametrize("kind", list(STRATEGIES))

QUICK: dict[str, dict[str, float | str | bool]] = {"bayesian": {"candidates": 40}}
BOUNDS = Bounds(layers=30)
ROOT = roots(SPEC, BOUNDS)[0]
LEAST = chain(  # nothing in it can shrink
    iter((Input(SPEC.input_shape), Flatten(), Dense(4), ReLU(), Dense(SPEC.classes), Output()))
)
OTHER_ROOT = history(4)[3].architecture


def snapshot(kind: str = "bayesian", trials: tuple[PastTrial, ...] = (), **values: Any) -> Snapshot:
    usual = Snapshot(
        seed=1,
        next_number=len(trials),
        count=1,
        strategy=kind,
        strategy_options=QUICK.get(kind, {}),
        roots=(ROOT,),
        bounds=BOUNDS,
        trials=trials,
    )
    return dataclasses.replace(usual, **values)


def waiting(suggestion: Suggestion, number: int = 0) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=suggestion.architecture,
        status=TrialStatus.WAITING,
    )


def completed(trial: PastTrial) -> PastTrial:
    return dataclasses.replace(
        trial,
        status=TrialStatus.COMPLETED,
        value=value(features(trial.architecture)),
        value_std=0.01,
        inheritable=True,
    )


def searched(kind: str, steps: int) -> list[tuple[Snapshot, tuple[Suggestion, ...]]]:
    """The steps of a search with two slots, in which every fourth trial fails."""
    trials: list[PastTrial] = []
    taken = []
    for _ in range(steps):
        asked = snapshot(kind, tuple(trials), count=2)
        answer = step(asked)
        taken.append((asked, answer))
        trials = [
            trial
            if not trial.is_pending
            else dataclasses.replace(trial, status=TrialStatus.FAILED)
            if trial.number % 4 == 3
            else completed(trial)
            for trial in trials
        ]
        trials += [waiting(one, len(trials) + index) for index, one in enumerate(answer)]
    return taken


def as_json(answer: tuple[Suggestion, ...]) -> list[Any]:
    return [
        [
            suggestion.parent_id and str(suggestion.parent_id),
            [to_json(morphism) for morphism in suggestion.morphisms],
            suggestion.architecture.to_json(),
            suggestion.predicted_mean,
            suggestion.predicted_std,
        ]
        for suggestion in answer
    ]


def reread(asked: Snapshot) -> Snapshot:
    """The snapshot as another controller reads it from the database."""
    trials = [
        dataclasses.replace(t, architecture=Architecture.from_json(t.architecture.to_json()))
        for t in asked.trials
    ]
    return dataclasses.replace(asked, trials=tuple(trials))


@every_strategy
def test_a_search_goes_from_the_root_to_new_architectures_of_its_trials(kind):
    for asked, answer in searched(kind, 6):
        by_id = {trial.trial_id: trial for trial in asked.trials}
        assert 1 <= len(answer) <= asked.count
        assert {one.architecture for one in answer}.isdisjoint(
            trial.architecture for trial in asked.trials
        )
        for suggestion in answer:
            assert fits(suggestion.architecture, BOUNDS)
            if suggestion.parent_id is None:
                assert suggestion.morphisms == ()
            else:
                parent = by_id[suggestion.parent_id]
                assert parent.inheritable
                assert suggestion.morphisms
                grown = apply_all(parent.architecture, suggestion.morphisms)
                assert grown == suggestion.architecture


@every_strategy
def test_a_step_repeated_after_a_restart_has_the_same_result(kind):
    for asked, answer in searched(kind, 5):
        assert as_json(step(reread(asked))) == as_json(answer)


PROGRAM = """
import json, sys
from tests.core.search.test_step import as_json, searched
for kind in sys.argv[1:]:
    print(json.dumps([as_json(answer) for _, answer in searched(kind, 4)]))
"""


def test_another_process_has_the_same_results():
    """Whatever the seed of Python's own hashes, which order sets."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *STRATEGIES],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONHASHSEED": "17"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for kind, line in zip(STRATEGIES, done.stdout.splitlines(), strict=True):
        assert json.loads(line) == [as_json(answer) for _, answer in searched(kind, 4)], kind


@pytest.mark.parametrize("kind", sorted(set(STRATEGIES) - {"grid"}))  # which draws nothing
@pytest.mark.parametrize("changed", ["seed", "next_number"])
def test_the_seed_and_the_number_of_the_next_trial_decide_the_random_choices(kind, changed):
    few = {"candidates": 10} if kind in ("bayesian", "bo-scratch") else {}  # no one best of all
    asked = snapshot(kind, history(6), strategy_options=few)
    names = {
        step(dataclasses.replace(asked, **{changed: 100 + n}))[0].architecture for n in range(5)
    }
    assert len(names) > 1


def test_roots_come_first_and_start_from_random_weights():
    asked = snapshot(roots=(ROOT, OTHER_ROOT), count=5)
    answer = step(asked)
    assert [one.architecture for one in answer] == [ROOT, OTHER_ROOT]
    assert [(one.parent_id, one.morphisms) for one in answer] == [(None, ()), (None, ())]
    (first,) = step(dataclasses.replace(asked, count=1))
    assert first.architecture == ROOT
    (second,) = step(snapshot(roots=(ROOT, OTHER_ROOT), count=5, trials=(waiting(first),)))
    assert second.architecture == OTHER_ROOT


@every_strategy
@pytest.mark.parametrize(
    "status",
    [TrialStatus.WAITING, TrialStatus.RUNNING, TrialStatus.INFEASIBLE, TrialStatus.FAILED],
)
def test_without_any_weights_a_suggestion_is_a_root(kind, status):
    (root,) = step(snapshot(kind))
    tried = dataclasses.replace(waiting(root), status=status)
    answer = step(snapshot(kind, (tried,), count=3))
    assert [(one.parent_id, one.morphisms) for one in answer] == [(None, ())] * 3
    assert ROOT not in {one.architecture for one in answer}


def test_predictions_are_returned_where_there_are_any():
    asked = snapshot(trials=history(6))
    (guided,) = step(asked)
    (chance,) = step(dataclasses.replace(asked, strategy="random", strategy_options={}))
    assert 0 < guided.predicted_mean < 2
    assert guided.predicted_std > 0
    assert (chance.predicted_mean, chance.predicted_std) == (None, None)


@pytest.mark.parametrize("kind", sorted(set(STRATEGIES) - {"grid"}))  # which has narrower ones
def test_bounds_that_allow_no_new_architecture_end_the_search(kind):
    tight = Bounds(layers=len(LEAST.nodes), parameters=LEAST.parameters)
    (root,) = step(snapshot(kind, roots=(LEAST,), bounds=tight))
    for trial in (waiting(root), completed(waiting(root))):
        with pytest.raises(SpaceExhausted, match="reached from the 1 trials has been tried"):
            step(snapshot(kind, (trial,), roots=(LEAST,), bounds=tight))


def test_fewer_suggestions_are_made_where_fewer_are_possible():
    """It may grow in few ways without more parameters."""
    tight = Bounds(layers=len(LEAST.nodes) + 1, parameters=LEAST.parameters)
    trials = (completed(waiting(step(snapshot(roots=(LEAST,), bounds=tight))[0])),)
    answer = step(snapshot(trials=trials, roots=(LEAST,), count=1000, bounds=tight))
    assert 1 <= len(answer) < 1000
    everything = (*trials, *(completed(waiting(one, n)) for n, one in enumerate(answer, 1)))
    with pytest.raises(SpaceExhausted):
        step(snapshot(trials=everything, roots=(LEAST,), count=1000, bounds=tight))


def test_an_unknown_strategy_is_refused():
    with pytest.raises(UnknownKind, match="unknown strategy 'greedy'"):
        step(snapshot("greedy", history(1)))


def test_a_search_with_a_goal_trains_its_best_roots_and_its_best_trials_further():
    """From the race of three roots to the last two trials."""
    goal, racers = Goal(seconds=100.0), (ROOT, OTHER_ROOT, LEAST)
    asked = snapshot(roots=racers, count=3, goal=goal, remaining=10)
    trials = [
        dataclasses.replace(completed(waiting(one, number)), seconds=5.0, value=value)
        for number, (one, value) in enumerate(zip(step(asked), (0.7, 0.6, 0.5), strict=True))
    ]
    again = step(dataclasses.replace(asked, next_number=3, trials=tuple(trials)))
    assert [(one.parent_id, one.morphisms) for one in again] == [
        (trials[0].trial_id, ()),
        (trials[1].trial_id, ()),
    ]
    assert [one.architecture for one in again] == [ROOT, OTHER_ROOT]
    continued = [
        dataclasses.replace(completed(waiting(one, number)), parent_id=one.parent_id, seconds=9.0)
        for number, one in enumerate(again, start=3)
    ]
    later = dataclasses.replace(asked, next_number=5, count=1, trials=(*trials, *continued))
    (morph,) = step(later)
    assert morph.morphisms
    # the loser of the race is no parent any more, nor is what others continue
    assert morph.parent_id in {one.trial_id for one in continued}
    grown = dataclasses.replace(
        completed(waiting(morph, 5)),
        parent_id=morph.parent_id,
        morphisms=morph.morphisms,
        seconds=9.0,
        value=0.99,
        value_std=0.5,
    )
    late = dataclasses.replace(later, next_number=6, trials=(*later.trials, grown), remaining=2)
    (looked,) = step(late)
    assert (looked.parent_id, looked.morphisms) == (grown.trial_id, ())
    lost = [
        dataclasses.replace(grown, number=n, trial_id=UUID(int=n), value=0.1, value_std=0.01)
        for n in (6, 7)
    ]
    tired = dataclasses.replace(
        late, trials=(*later.trials, dataclasses.replace(grown, value_std=0.0), *lost), patience=2
    )
    with pytest.raises(SearchSettled, match="2 children in a row did not win"):
        step(tired)
    with pytest.raises(SearchSettled, match="the last child did not win"):
        step(dataclasses.replace(tired, patience=1))


def test_strategies_that_inherit_nothing_continue_nothing():
    asked = snapshot("bo-scratch", roots=(ROOT,), goal=Goal(seconds=100.0), remaining=1)
    (root,) = step(asked)
    tried = dataclasses.replace(completed(waiting(root)), seconds=5.0)
    (other,) = step(dataclasses.replace(asked, next_number=1, trials=(tried,)))
    assert other.architecture != ROOT


def test_an_architecture_that_cannot_be_trained_in_time_is_not_suggested():
    """By the speed that the trials themselves had."""
    trials = tuple(
        dataclasses.replace(one, samples_per_second=1000.0 * ROOT.flops / one.architecture.flops)
        for one in history(12)
    )
    slow = max(1 / one.samples_per_second for one in trials)
    asked = snapshot("random", trials, count=8)
    free = {one.architecture for one in step(asked)}
    tight = dataclasses.replace(asked, example_seconds=slow / 4)
    speeds = learn([(one.architecture, 1 / one.samples_per_second) for one in trials])
    timely = step(tight)
    assert all(speeds.seconds(one.architecture) <= slow / 4 for one in timely)
    assert any(speeds.seconds(one) > slow / 4 for one in free)


@every_strategy
def test_an_architecture_for_which_no_device_has_the_memory_is_not_suggested(kind):
    """The root is tried in any case: it shows whether that still holds."""
    most = 1.3 * training_memory(ROOT.costs, 32)
    exceeded = ExceededMemory(int(most), batch_size=32)
    assert step(snapshot(kind, exceeded_memory=ExceededMemory(1, 32)))[0].architecture == ROOT
    trials = (completed(waiting(Suggestion(architecture=ROOT))),)
    for number in range(8):
        found = step(snapshot(kind, trials, exceeded_memory=exceeded, seed=number, count=2))
        assert all(training_memory(one.architecture.costs, 32) < most for one in found)
    with pytest.raises(SpaceExhausted, match="0 MB or more: every worker ran out of it"):
        step(snapshot(kind, trials, exceeded_memory=ExceededMemory(1, 32)))


def test_the_reason_names_networks_that_are_left_out_as_they_train_too_slowly():
    trials = (completed(waiting(Suggestion(architecture=ROOT))),)
    reason = "beside those expected to train on less than 1e\\+09 examples a second, too slow"
    with pytest.raises(SpaceExhausted, match=reason):
        step(snapshot("random", trials, example_seconds=1e-9))
