"""The steps of the deciding thread: leases expire, ended searches are tidied, live ones advance."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from api.controller import service
from api.controller.proposer import Proposer
from api.controller.sweeper import Sweeper
from api.models.trials import Trial
from api.roles import Role
from api.store import searches
from core.protocol.contracts.budgets import Budget
from core.protocol.states import SearchStatus, TrialStatus
from core.protocol.storage import Storage


@pytest.fixture
def sweeper(world: Any, storage_url: str) -> Sweeper:
    """A sweeper whose thread does not run."""
    return Sweeper(Storage(storage_url), world.sessions, 0.001)


@pytest.fixture
def proposer(world: Any) -> Iterator[Proposer]:
    """A proposer whose requests are answered in a thread, which starts sooner than a process."""
    proposer = Proposer(world.sessions, 1, lambda: None)
    proposer.close()
    with ThreadPoolExecutor(1) as pool:
        proposer._pool = pool  # type: ignore[assignment]
        yield proposer


def test_an_attempt_whose_lease_has_expired_is_retried_and_logged(
    world, engine, calls, caplog
) -> None:
    trial = world.trial(world.search())
    calls.lease(world.worker())
    with caplog.at_level(logging.WARNING):
        service.expire_leases(engine, 3)
        assert (world.get(trial).status, caplog.records) == (TrialStatus.RUNNING, [])
        world.overdue(trial)
        service.expire_leases(engine, 3)

    row = world.get(trial)
    assert (row.status, row.attempt) == (TrialStatus.WAITING, 2)
    (record,) = caplog.records
    assert (record.message, record.leases) == ("leases expired", 1)


def test_a_trial_without_attempts_left_is_lost(world, engine, calls) -> None:
    trial = world.trial(world.search())
    calls.lease(world.worker())
    world.overdue(trial)
    service.expire_leases(engine, 1)
    assert world.get(trial).status == TrialStatus.LOST


def test_only_in_ended_searches_waiting_trials_are_stopped(world, sweeper) -> None:
    """A trial may be made, or fail and wait again, at the moment its search is ended."""
    left, live = (world.trial(world.search(status=status)) for status in ("stopped", "running"))

    service.tidy(world.sessions, sweeper)

    assert (world.get(left).status, world.get(left).reason) == ("stopped", "the search has ended")
    assert world.get(live).status == TrialStatus.WAITING
    assert not sweeper._woken.is_set()


def test_a_deletion_that_leaves_blobs_wakes_the_sweeper(world, sweeper) -> None:
    owner = world.caller()
    search = world.search(owner)
    world.trial(search, weights_key=world.blob().key, weights_bytes=10)
    with world.sessions.begin() as session:
        searches.remove(session, owner, search)

    service.tidy(world.sessions, sweeper)

    assert sweeper._woken.is_set()


def test_every_live_search_advances_on_its_own(world, proposer) -> None:
    waiting = world.search(status=SearchStatus.PAUSED)
    spent = [world.search(budget=Budget(trials=1), parallelism=1) for _ in range(2)]
    for search in spent:
        world.trial(search, status="failed")

    assert service.advance(world.sessions, proposer)

    found = [world.get_search(search).status for search in (waiting, *spent)]
    assert found == [SearchStatus.PAUSED, SearchStatus.FINISHING, SearchStatus.FINISHING]
    assert proposer._open == {}

    assert service.advance(world.sessions, proposer)  # they fail: none of their trials succeeded
    assert [world.get_search(search).status for search in spent] == [SearchStatus.FAILED] * 2
    assert not service.advance(world.sessions, proposer)


def test_a_users_searches_share_its_quota_of_trials_in_flight(world, proposer) -> None:
    user, other, admin = world.caller(), world.caller(), world.caller(Role.ADMIN)

    def search(owner: Any) -> Any:
        budget = Budget(trials=9)
        return world.search(owner, strategy="random", budget=budget, parallelism=2)

    first, second, of_other, of_admin = map(search, (user, user, other, admin))
    world.trial(second)

    def requested() -> list[int]:
        service.advance(world.sessions, proposer, owner_trials=3)
        return [proposer.requested(one) for one in (first, second, of_other, of_admin)]

    assert requested() == [2, 0, 2, 2]
    for _, answer in proposer._open.values():
        answer.result(60)
    proposer.collect()
    assert requested() == [0, 0, 0, 0]

    world.set(Trial, world.trials(first)[0].id, status="stopped", ended_at=text("now()"))
    assert requested() == [1, 0, 0, 0]


def test_a_paused_search_leaves_its_waiting_trials_slots_to_others(world, proposer) -> None:
    user = world.caller()
    paused, other = (
        world.search(user, strategy="random", budget=Budget(trials=9), parallelism=3)
        for _ in range(2)
    )
    for _ in range(3):
        world.trial(paused)
    with world.sessions.begin() as session:
        searches.pause(session, user, paused)

    service.advance(world.sessions, proposer, owner_trials=3)

    assert [proposer.requested(one) for one in (paused, other)] == [0, 3]


def test_free_slots_are_requested_once_and_nothing_more_is_due(world, proposer) -> None:
    search = world.search(
        status=SearchStatus.PENDING, strategy="random", budget=Budget(trials=2), parallelism=5
    )
    assert not service.advance(world.sessions, proposer)
    assert not service.advance(world.sessions, proposer)

    ((snapshot, answer),) = proposer._open.values()
    assert (snapshot.search_id, snapshot.count) == (search, 2)
    assert answer.result(60)
    assert world.get_search(search).status == SearchStatus.RUNNING
