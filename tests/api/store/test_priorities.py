"""Priorities: which waiting trial is leased next, who may set them, and what people see of it."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import TextClause, func, text

from api.models.searches import Search
from api.models.trials import Trial
from api.priorities import Priority
from api.roles import Role
from api.schemas.searches import LimitsIn
from api.store import budgets, leases, new_trials, searches, trial_exports, waiting_trials
from api.store.errors import Conflict, Forbidden
from api.store.keys import Caller
from api.store.waiting_trials import Capacity
from core.protocol.states import SearchStatus, TrialKind
from tests.api.store.reports import LEASE

BUSY = Capacity(live=1, busy=1, away=0)


@pytest.fixture
def admin(world) -> Caller:
    return world.caller(Role.ADMIN)


@pytest.fixture
def prefer(world, admin):
    """Gives a search a priority."""

    def run(search: UUID, priority: str, caller: Caller | None = None) -> Any:
        with world.sessions.begin() as session:
            body = LimitsIn(priority=Priority(priority))
            return budgets.extend(session, caller or admin, search, body)

    return run


def leased(take) -> list[UUID]:
    """All trials in the order in which new workers get them."""
    return list(iter(lambda: (held := take()) and held.trial_id, None))


def queued(world, caller: Caller) -> list[Any]:
    with world.sessions.begin() as session:
        return waiting_trials.queue(session, caller, 100, BUSY)[0]


def test_trials_of_a_higher_priority_are_leased_first_and_equal_ones_in_turn(
    world, take, prefer, admin
) -> None:
    owner, other = world.caller(), world.caller()
    low, usual, high = (world.search(owner) for _ in range(3))
    others = world.search(other)
    order = (low, usual, others, low, others, usual, high, high)
    trials = [world.trial(search) for search in order]
    for search, priority in ((low, "low"), (high, "high")):
        prefer(search, priority)

    expected = [trials[index] for index in (6, 7, 1, 2, 4, 5, 0, 3)]

    assert [one.trial_id for one in queued(world, admin)] == expected
    assert leased(take) == expected
    world.audit()


def test_the_priority_of_a_waiting_search_may_change_and_holds_for_its_next_trials(
    world, take, prefer
) -> None:
    first, second = world.search(), world.search()
    trials = [world.trial(search) for search in (first, second, first, second)]
    prefer(second, "high")
    assert take().trial_id == trials[1]
    prefer(first, "high")
    assert take().trial_id == trials[0]
    prefer(first, "low")
    assert take().trial_id == trials[3]
    with world.sessions.begin() as session:
        row = {"number": 2, "morphisms": [], "architecture": {}, "fingerprint": "f", "layers": 1}
        row |= {"parameters": 1, "flops": 1, "inherited": False}
        assert new_trials.add(session, second, 2, [row])
    assert world.get(take().trial_id).search_id == second
    assert leased(take) == [trials[2]]


def test_a_running_trial_that_waits_again_has_the_new_priority(world, take, prefer, report) -> None:
    search, other = world.search(), world.search()
    trial = world.trial(search)
    held = take()
    world.trial(other)
    prefer(search, "high")

    report(held, "failed")
    world.set(Trial, trial, available_at=func.now())

    assert take().trial_id == trial


def test_final_fits_have_the_priority_and_exports_wait_as_usual(world, take, prefer, admin) -> None:
    weights = {"weights_key": f"weights/{64 * '1'}.safetensors", "weights_bytes": 9}
    ended = {"status": "completed", "value": 0.5, "report_digest": b"", "ended_at": func.now()}
    search, other = world.search(admin), world.search(admin)
    winner = world.trial(search, **weights, **ended)
    prefer(search, "low")
    with world.sessions.begin() as session:
        searches.move(session, search, SearchStatus.FINISHING)
        assert new_trials.add_final(session, search, 1, winner)
        trial_exports.order(session, admin, winner, most=9, is_intact=lambda blob: True)
    last = world.trial(other)

    found = [world.get(one) for one in leased(take)]

    assert [one.kind for one in found] == [TrialKind.EXPORT, TrialKind.SEARCH, TrialKind.FINAL]
    assert found[1].id == last


def test_a_paused_search_and_one_that_waits_for_a_retry_hold_nobody_back(
    world, take, prefer
) -> None:
    owner = world.caller()
    usual, paused, high = (world.search(owner) for _ in range(3))
    trials = [world.trial(search) for search in (usual, paused, high)]
    prefer(paused, "high")
    prefer(high, "high")
    with world.sessions.begin() as session:
        searches.pause(session, owner, paused)
    world.set(Trial, trials[2], available_at=func.now() + timedelta(minutes=1))

    assert leased(take) == [trials[0]]


def test_a_worker_waits_for_the_next_trial_of_the_high_search_that_it_trains(
    world, take, prefer, report
) -> None:
    """Else it would train a trial of another search for minutes while the next one is suggested."""
    high, usual = world.search(parallelism=1), world.search()
    prefer(high, "high")
    worker = world.worker()
    first = world.trial(high)
    world.trial(usual)
    assert report(take(worker=worker)) == "completed"

    assert take(worker=worker) is None
    assert world.get(take().trial_id).search_id == usual  # another worker need not wait
    following = world.trial(high)
    held = take(worker=worker)
    assert held.trial_id == following
    assert report(held) == "completed"
    world.trial(usual)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE trials SET ended_at = ended_at - interval '11 s'"))
    assert take(worker=worker) is not None
    assert world.get(first).search_id == high


def test_a_worker_does_not_wait_for_a_search_that_cannot_have_a_trial_for_it(
    world, take, prefer, report
) -> None:
    high, usual = world.search(parallelism=2), world.search()
    prefer(high, "high")
    worker = world.worker()
    world.trial(high)
    assert report(take(worker=worker)) == "completed"
    for _ in range(2):
        world.trial(high)
        take()
    waits = world.trial(usual)

    assert take(worker=worker).trial_id == waits


def test_a_worker_does_not_wait_for_a_search_whose_priority_was_lowered(
    world, take, prefer, report
) -> None:
    search, usual = world.search(parallelism=1), world.search()
    prefer(search, "high")
    worker = world.worker()
    world.trial(search)
    assert report(take(worker=worker)) == "completed"
    waits = world.trial(usual)
    assert take(worker=worker) is None

    prefer(search, "normal")

    assert take(worker=worker).trial_id == waits


@pytest.mark.parametrize("act", [searches.pause, searches.stop])
def test_a_worker_does_not_wait_for_a_search_that_its_owner_ends(
    world, take, prefer, report, act
) -> None:
    owner = world.caller()
    high, usual = world.search(owner, parallelism=1), world.search()
    prefer(high, "high")
    worker = world.worker()
    world.trial(high)
    assert report(take(worker=worker)) == "completed"
    waits = world.trial(usual)
    assert take(worker=worker) is None

    with world.sessions.begin() as session:
        act(session, owner, high)

    assert take(worker=worker).trial_id == waits


def test_many_workers_at_once_get_each_trial_once(world, do, take, prefer) -> None:
    owner = world.caller()
    usual, high = world.search(owner), world.search(owner)
    prefer(high, "high")
    trials = {world.trial(search) for search in (usual, high) * 10}
    got: list[Any] = []

    def work() -> None:
        for _ in range(4):
            got.append(do(leases.take, world.worker(), uuid4(), LEASE).held)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [held.trial_id for held in got if held is not None]
    found += leased(take)  # a worker gets nothing where others have just locked all that is left
    assert set(found) == trials
    assert len(found) == 20
    world.audit()


# --- who may set which ----------------------------------------------------------------------------


def test_only_an_admin_gives_a_high_priority_and_the_owner_may_lower_it(world, prefer) -> None:
    owner, stranger = world.caller(), world.caller()
    search = world.search(owner)

    with pytest.raises(Forbidden, match="found 'high', which only an admin may set; expected"):
        prefer(search, "high", owner)
    assert prefer(search, "low", owner).priority == "low"
    assert prefer(search, "high").priority == "high"
    assert prefer(search, "high", owner).priority == "high"  # as it is
    assert prefer(search, "normal", owner).priority == "normal"
    with pytest.raises(Exception, match="there is no search"):
        prefer(search, "low", stranger)


@pytest.mark.parametrize("status", list(SearchStatus))
def test_the_priority_may_change_until_the_search_is_over(world, prefer, status) -> None:
    search = world.search()
    world.set(Search, search, status=status)
    before = world.get_search(search).priority

    if status in {"completed", "stopped", "failed"}:
        with pytest.raises(Conflict, match=f"the search is {status} and has no trials to lease"):
            prefer(search, "high")
        assert world.get_search(search).priority == before
    else:
        assert prefer(search, "high").priority == "high"


def test_limits_and_priority_change_together_or_not_at_all(world, admin) -> None:
    search = world.search(admin, parallelism=1)
    with world.sessions.begin() as session:
        both = LimitsIn(parallelism=3, priority=Priority.LOW)
        out = budgets.extend(session, admin, search, both)
    assert (out.parallelism, out.priority) == (3, "low")
    world.set(Search, search, status=SearchStatus.FINISHING)

    with pytest.raises(Conflict), world.sessions.begin() as session:
        budgets.extend(session, admin, search, LimitsIn(trials=999, priority=Priority.HIGH))

    assert world.get_search(search).priority == "low"


# --- what people see ------------------------------------------------------------------------------


def test_the_queue_says_which_trials_wait_behind_a_higher_priority(world, prefer) -> None:
    owner = world.caller()
    low, usual = world.search(owner), world.search(owner)
    prefer(low, "low")
    trials = [world.trial(search) for search in (low, usual)]
    behind = "waits behind searches of a higher priority; all workers are busy: 1 of 1"

    assert [(one.trial_id, one.reason) for one in queued(world, owner)] == [
        (trials[1], "all workers are busy: 1 of 1"),
        (trials[0], behind),
    ]
    prefer(world.get(world.trial(world.search(owner))).search_id, "high")
    assert [one.reason for one in queued(world, owner)][1:] == [behind] * 2
    assert [one.position for one in queued(world, owner)] == [1, 2, 3]


def test_a_search_says_that_it_waits_behind_a_higher_priority(world, take, prefer) -> None:
    owner = world.caller()
    usual, high = world.search(owner), world.search(owner)
    prefer(high, "high")
    for search in (usual, high, high):
        world.trial(search)
    take()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE trials SET available_at = now() - interval '1 minute'"))

    with world.sessions.begin() as session:
        found = {one.id: one for one in searches.listing(session, owner).items}

    assert found[usual].reason.startswith("waits behind searches of a higher priority; waits for")
    assert found[high].reason == ""


def test_a_search_with_one_trial_in_flight_is_before_others_while_none_of_it_waits(
    world, take, prefer
) -> None:
    """It gets the worker again after each trial: those behind it wait for its end."""
    owner = world.caller()
    low, usual = world.search(owner), world.search(owner)
    prefer(low, "low")
    trial = world.trial(usual)
    assert take().trial_id == trial
    world.trial(low)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE trials SET available_at = now() - interval '1 minute'"))

    behind = "waits behind searches of a higher priority; "
    assert [one.reason for one in queued(world, owner)] == [behind + "all workers are busy: 1 of 1"]
    with world.sessions.begin() as session:
        assert searches.get(session, owner, low).reason.startswith(behind)
        spare = Capacity(live=2, busy=1, away=0)
        (one,) = waiting_trials.queue(session, owner, 100, spare)[0]
    assert one.reason == "a worker is about to take it"


# --- the plan -------------------------------------------------------------------------------------


def test_the_next_trial_is_read_from_indexes_however_many_wait(world, prefer) -> None:
    """The plan of the statement as it is sent, with many waiting trials and many ended ones."""
    owner = world.caller()
    usual, high = world.search(owner), world.search(owner)
    prefer(high, "high")
    trial = world.trial(usual)
    world.trial(high)
    _copied(world, trial)

    with world.engine.connect() as connection:
        connection.execute(text("ANALYZE trials, searches"))
        driver: Any = connection.connection.driver_connection
        worker = world.worker()
        values = worker.model_dump() | {"token": uuid4(), "lease": LEASE, "key_id": None}
        given = [values[name] for name in leases._TAKE_ANY._names]
        cursor = psycopg.RawCursor(driver)
        cursor.execute(f"EXPLAIN {leases._TAKE_ANY.sql}", given)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Index Scan using ix_trials_queue on trials" in plan
    assert "Seq Scan on trials" not in plan


def _copied(world: Any, trial: UUID) -> None:
    """Add 2,000 waiting trials and 20,000 ended ones like this one, and 500 searches like its."""
    search = str(world.get(trial).search_id)
    with world.engine.begin() as connection:
        for count, values in (
            (2000, {}),
            (20_000, {"status": "'failed'", "ended_at": "now()"}),
        ):
            given = {"id": "gen_random_uuid()", "number": f"{count} + serial"} | values
            connection.execute(_copies(Trial, count, given), {"id": trial})
        connection.execute(_copies(Search, 500, {"id": "gen_random_uuid()"}), {"id": search})


def _copies(of: type[Trial | Search], count: int, values: dict[str, str]) -> TextClause:
    """The statement that copies the row `:id`, with other values in some columns."""
    names = [column.name for column in of.__table__.columns]
    return text(
        f"INSERT INTO {of.__tablename__} ({', '.join(names)}) "
        f"SELECT {', '.join(values.get(name, name) for name in names)} "
        f"FROM {of.__tablename__} CROSS JOIN generate_series(1, {count}) AS serial WHERE id = :id"
    )
