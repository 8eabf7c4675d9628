"""Searches and trials as people see them; moving, making and deleting them."""

import itertools

import pytest
from sqlalchemy.exc import IntegrityError

from api.models.searches import Search
from api.models.trials import Trial
from api.store import searches, trials
from api.store.errors import Conflict
from core.errors import InvalidInput
from core.protocol.states import SEARCH_SOURCES, SearchStatus, TrialStatus


def test_a_search_moves_as_the_table_says(world) -> None:
    search = world.search()
    for start, to in itertools.product(SearchStatus, SearchStatus):
        world.set(Search, search, status=start)

        with world.sessions.begin() as session:
            moved = searches.move(session, search, to)

        assert moved == (start in SEARCH_SOURCES[to]), (start, to)
        assert world.get_search(search).status == (to if moved else start)


def test_the_time_left_is_estimated_for_one_search_while_it_runs(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    world.trial(search, status="completed", value=0.5, epochs_spent=10, epochs=10, seconds=20.0)
    with world.sessions.begin() as session:
        left = searches.get(session, caller, search).seconds_left
        assert left is not None
        assert left > 0
        (listed,) = searches.listing(session, caller).items
        assert listed.seconds_left is None
    world.set(Search, search, status=SearchStatus.STOPPED)
    with world.sessions.begin() as session:
        assert searches.get(session, caller, search).seconds_left is None


@pytest.mark.parametrize("to", [SearchStatus.STOPPED, SearchStatus.FAILED])
def test_a_search_that_ends_stops_its_waiting_trials(world, to) -> None:
    search = world.search()
    trial = world.trial(search)

    with world.sessions.begin() as session:
        searches.move(session, search, to, reason="enough")

    row = world.get(trial)
    assert (row.status, row.reason) == (TrialStatus.STOPPED, "enough")
    world.audit()


def test_a_move_to_the_same_status_changes_nothing_and_an_illegal_one_is_a_conflict(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    with world.sessions.begin() as session:
        before = searches.version(session, caller, search)
        searches.move_own(session, caller, search, SearchStatus.RUNNING)
        assert searches.version(session, caller, search) == before
        searches.move_own(session, caller, search, SearchStatus.STOPPED)
        with pytest.raises(Conflict, match="is stopped; only one that is pending or running can"):
            searches.move_own(session, caller, search, SearchStatus.PAUSED)
        with pytest.raises(Conflict, match="can be resumed: extend its budget, then it runs on"):
            searches.move_own(session, caller, search, SearchStatus.RUNNING)


def test_the_database_refuses_values_that_are_not_numbers(world) -> None:
    trial = world.trial(world.search())
    for column in ("value", "value_std", "validation_loss", "predicted_mean", "test_loss"):
        for value in ("NaN", "Infinity", "-Infinity"):
            with pytest.raises(IntegrityError, match="_finite"):
                world.set(Trial, trial, **{column: float(value)})


def test_pages_hold_every_search_and_every_trial_once(world) -> None:
    caller = world.caller()
    made = [world.search(caller) for _ in range(5)]
    for _ in range(5):
        world.trial(made[0])
    with world.sessions.begin() as session:
        seen, cursor = [], None
        while page := searches.listing(session, caller, limit=2, cursor=cursor):
            seen += [item.id for item in page.items]
            if (cursor := page.next_cursor) is None:
                break
        numbers = []
        while page := trials.listing(session, caller, made[0], limit=2, cursor=cursor):
            numbers += [item.number for item in page.items]
            if (cursor := page.next_cursor) is None:
                break
    assert seen == made[::-1]
    assert numbers == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "W10", "WyJhIiwiYiJd", "WzFd", "bnVsbA", "[" * 99]
)
def test_a_cursor_that_no_list_returned_is_refused(world, cursor) -> None:
    caller = world.caller()
    with world.sessions.begin() as session, pytest.raises(InvalidInput, match="cursor"):
        searches.listing(session, caller, cursor=cursor)


def test_a_deleted_search_leaves_no_rows(world) -> None:
    caller = world.caller()
    search, other = world.search(caller), world.search(caller)
    world.trial(other)
    parent = world.trial(search)
    child = world.trial(search, parent_id=parent)
    world.trial(search, kind="final", parent_id=child)

    with world.sessions.begin() as session:
        searches.remove(session, caller, search)

    assert world.trials(search) == []
    with world.sessions.begin() as session:
        assert session.get(Search, search) is None
    assert len(world.trials(other)) == 1
    world.audit()


def test_a_search_is_paused_resumed_and_stopped_by_name(world) -> None:
    caller = world.caller()
    search_id = world.search(caller)
    with world.sessions.begin() as session:
        paused = searches.pause(session, caller, search_id)
        resumed = searches.resume(session, caller, search_id)
        stopped = searches.stop(session, caller, search_id)
        with pytest.raises(Conflict):
            searches.resume(session, caller, search_id)
    assert [one.status for one in (paused, resumed, stopped)] == ["paused", "running", "stopped"]
    assert stopped.reason == f"stopped by {caller.name}"
