"""The choice of a parent by each of the simple strategies."""

import dataclasses

import numpy as np

from benchmarks.histories import history
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialStatus
from core.search.history import Suggestion, SuggestRequest
from core.search.strategies import strategy

BOUNDS = Bounds()
#: Ten networks; the fourth is the best.
TRIALS = tuple(
    dataclasses.replace(trial, value=0.9 if trial.number == 3 else 0.5 + 0.01 * trial.number)
    for trial in history(10, seed=5)
)


def suggested(kind: str, trials=TRIALS, count: int = 8, **options: float) -> list[Suggestion]:
    rng = np.random.default_rng(0)
    return strategy(kind, options).suggest(
        SuggestRequest(completed=trials, count=count, bounds=BOUNDS, rng=rng)
    )


def parents(suggestions: list[Suggestion]) -> list[int]:
    return [suggestion.parent.number for suggestion in suggestions if suggestion.parent is not None]


def test_hill_climbing_continues_from_the_best():
    assert parents(suggested("hill-climbing")) == [3] * 8
    better = dataclasses.replace(TRIALS[6], value=0.95)
    assert parents(suggested("hill-climbing", [*TRIALS, better])) == [6] * 8


def test_of_equal_values_the_older_counts():
    equal = [dataclasses.replace(trial, value=0.5) for trial in TRIALS]
    assert parents(suggested("hill-climbing", equal[::-1])) == [0] * 8


def test_a_network_without_a_value_is_the_last_choice():
    unknown = dataclasses.replace(TRIALS[0], status=TrialStatus.STOPPED, value=None)
    assert parents(suggested("hill-climbing", [unknown, TRIALS[1]])) == [1] * 8


def test_breadth_first_stays_with_the_oldest():
    assert parents(suggested("bfs", TRIALS[::-1])) == [0] * 8


def test_breadth_first_moves_on_when_the_oldest_has_no_more_children():
    start = TRIALS[0].architecture
    cramped = Bounds(layers=len(start.nodes) + 1, parameters=start.parameters)
    rng = np.random.default_rng(0)
    first = strategy("bfs", {}).suggest(
        SuggestRequest(completed=TRIALS[:1], count=10_000, bounds=cramped, rng=rng)
    )
    rest = [
        dataclasses.replace(TRIALS[1], number=number + 1, architecture=suggestion.architecture)
        for number, suggestion in enumerate(first)
    ]
    assert first
    later = strategy("bfs", {}).suggest(
        SuggestRequest(completed=[TRIALS[0], *rest], count=3, bounds=cramped, rng=rng)
    )
    assert 0 not in parents(later)
