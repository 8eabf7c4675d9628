"""Trials that a user stops end as stopped, whatever their worker does, and never start again."""

import pytest

from api.models.trials import Trial
from api.store import endings, results, setbacks, stopped_trials, training_reports
from api.store.errors import Conflict
from core.protocol.contracts.reports import Action
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from tests.api.store.reports import LEASE, beat, handed_back


@pytest.fixture
def stop(world):
    """Stops a trial as its owner does."""

    def run(caller, trial_id):
        with world.sessions.begin() as session:
            return stopped_trials.stop(session, caller, trial_id)

    return run


def test_a_waiting_trial_stops_at_once_and_once(world, stop) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial, other = world.trial(search), world.trial(search)

    for _ in range(2):
        assert stop(caller, trial).status is TrialStatus.STOPPED

    assert world.get(trial).reason == f"stopped by {caller.name}"
    assert world.get(other).status == TrialStatus.WAITING
    assert world.get_search(search).status == SearchStatus.RUNNING
    world.audit()


#: How the worker of a stopped trial may end it; each takes `do`, the world and the lease.
ENDINGS = {
    "result": lambda do, world, held: do(
        results.end_attempt, held.trial_id, world.result(held, "stopped"), b"1", 3
    ),
    "failure": lambda do, world, held: do(
        results.end_attempt, held.trial_id, world.result(held, "failed"), b"1", 3
    ),
    "setback": lambda do, world, held: do(
        setbacks.end_attempt, held.trial_id, world.result(held, "failed"), b"1", 3
    ),
    "handed back": lambda do, world, held: do(
        endings.hand_back, held.trial_id, handed_back(held)
    ),
    "silence": lambda do, world, held: (
        world.overdue(held.trial_id), do(endings.expire, 3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_running_trial_is_told_to_stop_and_has_no_other_attempt(
    world, do, take, stop, ending
) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    held = take()
    assert stop(caller, trial).status is TrialStatus.RUNNING

    answer = do(training_reports.heartbeat, trial, beat(held), LEASE)
    assert (answer.action, answer.reason) == (Action.STOP, f"stopped by {caller.name}")
    ENDINGS[ending](do, world, held)

    row = world.get(trial)
    assert (row.status, row.reason) == (TrialStatus.STOPPED, f"stopped by {caller.name}")
    world.audit()


def test_a_trial_that_has_ended_and_a_final_fit_are_not_stopped(world, stop) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    world.set(Trial, trial, status="infeasible")
    with pytest.raises(Conflict, match="trial 0 is infeasible"):
        stop(caller, trial)
    world.set(Trial, trial, status="waiting", kind=TrialKind.FINAL)
    with pytest.raises(Conflict, match="stop its search"):
        stop(caller, trial)
