"""How the time of a search is divided."""

import pytest
from hypothesis import given

from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.search.lineage import Goal
from core.search.pace import (
    GOAL_SHARE,
    WORTHWHILE_EPOCHS,
    example_seconds,
    goal,
    patience,
    remaining_trials,
)
from tests.core.search.test_defaults import budgets, config, spec


def test_the_remaining_time_is_counted_in_trials_of_the_usual_length():
    timed = SearchConfig(budget=Budget(seconds=1000.0), parallelism=2)
    assert remaining_trials(timed, spec(), created=5, elapsed=300.0) == 4
    assert remaining_trials(timed, spec(), created=5, elapsed=999.0) == 0
    counted = SearchConfig(budget=Budget(trials=10))
    assert remaining_trials(counted, spec(), created=7, elapsed=0.0) == 3
    few = SearchConfig(budget=Budget(trials=4))
    assert remaining_trials(few, spec(), created=3, elapsed=0) is None


def test_longer_searches_wait_for_more_children_without_a_winner():
    assert patience(config()) is None
    waits = [patience(config(seconds)) for seconds in (60, 300, 1200, 4800, 86_400)]
    assert waits == [1, 1, 2, 4, 17]


def test_the_goal_is_in_the_unit_of_the_budget():
    assert goal(config(1000.0), spec()) == Goal(seconds=700.0)
    counted = goal(config(epochs=5, final_epochs=20), spec())
    assert counted == Goal(epochs=35.0)


@given(seconds=budgets)
def test_an_example_may_take_so_long_that_there_is_time_for_several_epochs(seconds):
    assert example_seconds(config(), spec()) is None
    limit = example_seconds(config(seconds), spec(1_000))
    assert WORTHWHILE_EPOCHS * 1_000 * limit == pytest.approx(GOAL_SHARE * seconds)
