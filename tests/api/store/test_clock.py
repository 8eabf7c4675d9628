"""The database's clock jumps by hours: nothing is lost, and nothing stands still for hours."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.models.leases import Lease
from api.models.searches import Search
from api.models.webhooks import Delivery, Webhook
from api.models.workers import Worker
from api.store import clock, deliveries, endings, leader, searches, training_reports
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.reports import Action
from core.protocol.states import SearchStatus
from tests.api.store.reports import LEASE, beat

_TIMES = text("""
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
""")


def jump(world: Any, hours: int) -> None:
    """Let the clock jump forward, or back: all times of rows go the other way."""
    with world.sessions.begin() as session:
        for table, column in session.execute(_TIMES).all():
            moved = f"UPDATE {table} SET {column} = {column} - interval '{hours} h'"
            session.execute(text(moved))


def test_a_jump_back_stops_no_trial_and_keeps_no_dead_worker_alive(world, do, take) -> None:
    search = world.search(budget=Budget(trials=9, seconds=600))
    waiting, dead = world.trial(search), world.trial(search)
    lost = take(dead)
    gone, other = uuid4(), uuid4()
    assert do(leader.acquire, gone, 15.0)

    jump(world, -3)
    assert take(waiting) is None
    do(clock.settle)

    assert take(waiting) is not None
    assert do(leader.acquire, other, 15.0)
    with world.sessions.begin() as session:
        now = clock.now(session)
        row = session.get_one(Lease, dead)
        assert (row.token, row.expires_at - row.heard_at) == (lost.token, LEASE)
        assert row.expires_at <= now + LEASE
        assert session.get_one(Search, search).started_at <= now
        assert {one.seen_at <= now for one in session.query(Worker)} == {True}
    world.overdue(dead)
    assert do(endings.expire, 3) == 1
    world.audit()


def test_a_jump_forward_takes_no_trial_from_a_worker_that_is_heard(world, do, take) -> None:
    trial = world.trial(world.search())
    held = take(trial)
    world.led()
    take()  # a worker that asks for a trial

    jump(world, 3)
    do(clock.settle)

    assert do(endings.expire, 3) == 0  # it has some time to be heard again
    assert do(training_reports.heartbeat, trial, beat(held, 1), LEASE).action is Action.CONTINUE
    assert do(endings.expire, 3) == 0
    assert world.get(trial).attempt == 1
    world.audit()


@pytest.mark.parametrize("claimed", [False, True])
def test_a_delivery_is_sent_after_a_jump_back(world, claimed) -> None:
    """Also one whose process has died while it sent it."""
    with world.sessions.begin() as session:
        hook = Webhook(
            owner_id=world.caller().key_id, name="x", url="https://h.invalid", events=[], secret=b""
        )
        session.add(hook)
        session.flush()
        session.add(Delivery(webhook_id=hook.id, event="ping", data={}))
    if claimed:
        with world.sessions.begin() as session:
            assert len(deliveries.claim(session, 9)) == 1
    jump(world, -3)
    with world.sessions.begin() as session:
        assert deliveries.claim(session, 9) == []
        clock.settle(session.connection())
        (one,) = deliveries.claim(session, 9)
        assert one.claimed_at == clock.now(session)


def test_nothing_ends_before_it_began(world) -> None:
    """A transaction that began earlier ends what a later one made or started meanwhile."""
    pending = world.search(status=SearchStatus.PENDING)
    running = world.search()
    with world.sessions.begin() as earlier:
        earlier.execute(text("SELECT now()"))
        waiting = world.trial(running)
        with world.sessions.begin() as later:
            assert searches.move(later, pending, SearchStatus.RUNNING)
        for search in (pending, running):
            assert searches.move(earlier, search, SearchStatus.STOPPED)

    ended = [world.get_search(pending), world.get_search(running), world.get(waiting)]
    assert [row.status for row in ended] == ["stopped"] * 3
    world.audit()
