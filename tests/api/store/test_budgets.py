"""Changes of what a search may spend while it runs, and after."""

from datetime import timedelta

import pytest
from sqlalchemy import func

from api.models import Search
from api.store import budgets, new_trials, searches
from api.store.errors import Conflict
from core.protocol.contracts import Budget
from core.protocol.states import SearchStatus, TrialStatus


def changed(world, change, *arguments, **values):
    with world.sessions.begin() as session:
        return change(session, *arguments, **values)


@pytest.mark.parametrize("before", [SearchStatus.RUNNING, SearchStatus.PAUSED])
def test_a_search_finished_early_ends_its_trials_and_spends_no_more(world, do, before) -> None:
    caller = world.caller()
    search = world.search(caller, before, budget=Budget(trials=50, seconds=7200.0), deadline=2880.0)
    world.set(Search, search, started_at=func.now() - timedelta(seconds=600))
    world.trial(
        search, status="completed", value=0.5, report_digest=b"", ended_at=func.now(),
        epochs_spent=3,
    )  # fmt: skip
    waiting = world.trial(search)

    for _ in range(2):  # the same again changes nothing
        out = changed(world, budgets.finish, caller, search)

    assert (out.status, out.reason) == ("finishing", f"finished early by {caller.name}")
    assert world.get(waiting).status == TrialStatus.STOPPED
    assert out.budget.trials == 2
    # as much for the final fit as if the trials had taken their share of the time
    assert out.budget.seconds == pytest.approx(600 / 0.4, abs=100)
    assert not changed(world, new_trials.add, search, 2, [{}])
    world.audit()


def test_a_search_without_a_value_or_a_running_trial_cannot_be_finished(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    waiting = world.trial(search)
    with pytest.raises(Conflict, match="wait for the first trial, or stop"):
        changed(world, budgets.finish, caller, search)
    assert world.get(waiting).status == TrialStatus.WAITING  # nothing has changed
    changed(world, searches.stop, caller, search)
    with pytest.raises(Conflict, match="the search is stopped"):
        changed(world, budgets.finish, caller, search)
