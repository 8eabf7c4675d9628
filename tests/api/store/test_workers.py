"""Workers: who sees what they train, when they were seen, and when they are forgotten."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from api.models.leases import Lease
from api.models.workers import Worker
from api.roles import Role
from api.schemas.workers import WorkerOut
from api.store import clock, leases, live_workers, training_reports, workers
from api.store.errors import NotFound
from api.store.keys import Caller
from tests.api.store.reports import LEASE, beat


def listed(world: Any, caller: Caller) -> list[WorkerOut]:
    """The workers as the caller sees them."""
    with world.sessions.begin() as session:
        return workers.listing(session, caller)


@pytest.fixture
def idle(world: Any, take: Any) -> Any:
    """Registers workers that train nothing."""

    def register(name: str = "worker") -> UUID:
        request = world.worker(name)
        assert take(worker=request) is None
        return UUID(str(request.worker_id))

    return register


def test_idle_workers_are_listed_by_name(world, idle) -> None:
    ids = {name: idle(name) for name in ("b", "c", "a")}
    found = listed(world, world.caller())
    assert [(one.name, one.id, one.trial_id) for one in found] == [
        (name, ids[name], None) for name in "abc"
    ]
    assert {(one.device, one.threads) for one in found} == {("cpu", 1)}


def test_a_worker_shows_what_it_trains_to_the_trials_owner_and_admins(world, take) -> None:
    owner = world.caller()
    trial = world.trial(world.search(owner))
    take()
    admin, stranger = world.caller(Role.ADMIN), world.caller()
    seen = {who: listed(world, who)[0].trial_id for who in (owner, admin, stranger)}
    assert seen == {owner: trial, admin: trial, stranger: None}


def test_a_heartbeat_is_a_sign_of_its_worker(world, do, take) -> None:
    """Heartbeats are stored with the lease alone; the worker is seen as late as either says."""
    trial = world.trial(world.search())
    held = take()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    (worker,) = listed(world, world.caller())
    world.set(Worker, worker.id, seen_at=long_ago)
    world.set(Lease, trial, heard_at=long_ago)
    assert listed(world, world.caller())[0].seen_at == long_ago

    do(training_reports.heartbeat, trial, beat(held), LEASE)
    assert listed(world, world.caller())[0].seen_at >= worker.seen_at


def test_the_clock_is_the_databases_which_workers_are_seen_by(world, idle) -> None:
    idle()
    with world.sessions.begin() as session:
        idle_for = clock.now(session) - workers.listing(session, world.caller())[0].seen_at
    assert 0 <= idle_for.total_seconds() < 60


def test_a_worker_is_forgotten_a_day_after_it_was_seen_unless_it_has_a_lease(
    world, idle, take
) -> None:
    kept, gone = idle("kept"), idle("gone")
    world.trial(world.search())
    busy = world.worker("busy")
    take(worker=busy)
    for worker, hours in ((kept, 23), (gone, 25), (busy.worker_id, 25)):
        world.set(Worker, worker, seen_at=text(f"now() - interval '{hours} hours'"))

    with world.sessions.begin() as session:
        workers.sweep(session)

    assert [one.name for one in listed(world, world.caller())] == ["busy", "kept"]


def test_workers_that_drain_or_rest_are_live_but_take_no_trials(world, idle) -> None:
    first, second = idle("gpu-1"), idle("gpu-2")
    with world.sessions() as session:
        assert live_workers.count_taking_trials(session) == 2
    world.set(Worker, first, draining=True)
    with world.sessions() as session:
        assert live_workers.count_taking_trials(session) == 1
        rest = session.scalar(text("SELECT now() + interval '1 minute'"))
    world.set(Worker, second, resting_until=rest)
    with world.sessions() as session:
        assert live_workers.count_taking_trials(session) == 0
        assert live_workers.count_live(session) == 2


def test_a_drained_worker_gets_no_trial_until_it_is_undrained(world, do) -> None:
    admin = world.caller(Role.ADMIN)
    name = world.worker()
    assert do(leases.take, name, name.boot_id, LEASE).held is None
    trial = world.trial(world.search())

    def drained(draining: bool) -> Any:
        with world.sessions.begin() as session:
            return workers.drain(session, admin, name.worker_id, draining=draining)

    assert drained(True).draining
    assert do(leases.take, name, name.boot_id, LEASE).held is None
    assert not drained(False).draining
    assert do(leases.take, name, name.boot_id, LEASE).held.trial_id == trial
    with world.sessions.begin() as session, pytest.raises(NotFound, match="no worker"):
        workers.drain(session, admin, UUID(int=1), draining=True)
