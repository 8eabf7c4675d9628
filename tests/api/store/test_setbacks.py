"""Setbacks: a trial waits for storage without using up attempts, and its search says so."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.models.trials import Trial
from api.store import results, searches
from core.protocol.states import SearchStatus

FULL = "storage or disk: [Errno 28] No space left on device"


@pytest.fixture
def set_back(world: Any, do: Any) -> Any:
    """Reports a setback of a lease; the answer."""

    def report(held: Any) -> Any:
        sent = world.result(held, "failed", reason=FULL, setback=True)
        return do(results.accept, held.trial_id, sent, 1)

    return report


def due(world: Any, trial_id: Any) -> None:
    world.set(Trial, trial_id, available_at=text("now()"))


def test_a_setback_uses_no_attempt_and_the_pause_grows_up_to_a_minute(
    world, take, set_back
) -> None:
    trial_id = world.trial(world.search())
    pauses = []
    for _ in range(6):
        assert set_back(take()).accepted
        trial = world.get(trial_id)
        assert (trial.status, trial.attempt, trial.reason) == ("waiting", 1, FULL)
        with world.sessions.begin() as session:
            now = session.scalar(text("SELECT now()"))
        pauses.append(round((trial.available_at - now) / timedelta(seconds=5)))
        assert take() is None
        due(world, trial_id)

    assert pauses == [1, 2, 4, 8, 12, 12]
    world.audit()


def test_a_repeated_report_of_a_setback_is_a_duplicate(world, take, set_back) -> None:
    trial_id = world.trial(world.search())
    held = take()

    assert [set_back(held).reason for _ in range(2)] == ["", "duplicate"]
    assert world.get(trial_id).setbacks == 1


def test_a_trial_of_a_stopped_search_does_not_wait_for_storage(world, take, set_back) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial_id = world.trial(search)
    held = take()
    with world.sessions.begin() as session:
        searches.move(session, search, SearchStatus.STOPPED, reason="stopped by me")
    set_back(held)

    trial = world.get(trial_id)
    assert (trial.status, trial.reason) == ("stopped", "stopped by me")


def seen(world: Any, caller: Any, search: Any) -> str:
    with world.sessions.begin() as session:
        return searches.get(session, caller, search).reason


def test_a_search_says_that_it_waits_for_storage_until_the_trial_is_leased(
    world, take, set_back
) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial_id = world.trial(search)
    set_back(take())
    assert seen(world, caller, search) == f"waits for storage: {FULL}"

    due(world, trial_id)
    take()
    assert seen(world, caller, search) == ""


def test_a_search_says_that_it_waits_for_a_worker(world, take) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial_id = world.trial(search)
    assert seen(world, caller, search) == ""

    world.set(Trial, trial_id, available_at=text("now() - interval '11 s'"))
    assert seen(world, caller, search) == "waits for a worker: none is connected"

    take(world.trial(world.search()))
    assert seen(world, caller, search) == "waits for a free worker: 1 busy with other trials"

    take(trial_id)
    assert seen(world, caller, search) == ""
