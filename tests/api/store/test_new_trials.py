"""New trials: made once, within the budget, and only while the search is as it was read."""

import threading
from typing import Any

import pytest

from api.models.searches import Search
from api.store import new_trials
from core.protocol.contracts.budgets import Budget
from core.protocol.states import SearchStatus, TrialKind


def columns(number: int, **values: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "number": number,
        "parent_id": None,
        "morphisms": [],
        "architecture": {"version": 1, "nodes": []},
        "fingerprint": f"fingerprint {number}",
        "layers": 3,
        "parameters": 100,
        "flops": 1000,
        "inherited": False,
        "predicted_mean": None,
        "predicted_std": None,
        "hyperparameters": None,
        "epochs_reserved": 3,
    }
    return usual | values


def test_two_controllers_cannot_make_the_same_trial(world) -> None:
    search = world.search()
    made: list[bool] = []

    def make() -> None:
        with world.sessions.begin() as session:
            made.append(new_trials.add(session, search, 0, [columns(0), columns(1)]))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [False, False, False, True]
    assert [row.number for row in world.trials(search)] == [0, 1]
    world.audit()


def test_trials_are_made_only_in_a_running_search(world) -> None:
    search = world.search()
    for status in set(SearchStatus) - {SearchStatus.RUNNING}:
        world.set(Search, search, status=status)

        with world.sessions.begin() as session:
            assert not new_trials.add(session, search, 0, [columns(0)])


def test_no_more_trials_are_made_than_the_budget_allows(world) -> None:
    search = world.search(budget=Budget(trials=2))
    with world.sessions.begin() as session:
        assert not new_trials.add(session, search, 0, [columns(n) for n in range(3)])
        assert new_trials.add(session, search, 0, [columns(n) for n in range(2)])
        assert not new_trials.add(session, search, 2, [columns(2)])


def test_a_trial_may_continue_the_training_of_its_parent(world) -> None:
    """It has its parent's architecture and no morphisms."""
    search = world.search()
    parent = world.trial(search, fingerprint="same", weights_key="weights/0")
    longer = columns(1, fingerprint="same", parent_id=parent, inherited=True)

    with world.sessions.begin() as session:
        assert new_trials.add(session, search, 1, [longer])

    assert [row.fingerprint for row in world.trials(search)] == ["same", "same"]
    world.audit()


@pytest.mark.parametrize("inherits", [True, False])
@pytest.mark.parametrize("has_weights", [True, False])
def test_the_final_fit_goes_on_from_the_winners_weights(world, inherits, has_weights) -> None:
    search = world.search()
    weights = {"weights_key": world.blob().key, "weights_bytes": 10} if has_weights else {}
    world.trial(search, status="completed", value=0.5)
    best = world.trial(search, status="stopped", value=0.7, fingerprint="best", **weights)
    world.set(Search, search, status=SearchStatus.FINISHING)

    with world.sessions.begin() as session:
        assert new_trials.add_final(session, search, 2, best, inherits=inherits)
        assert not new_trials.add_final(session, search, 2, best, inherits=inherits)

    final = world.trials(search)[-1]
    assert (final.kind, final.number, final.parent_id) == (TrialKind.FINAL, 2, best)
    assert (final.fingerprint, final.inherited) == ("best", inherits and has_weights)
