"""Requests for suggestions: one open for a search, answered in a process, stored if they fit."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api.controller import enqueued_trials
from api.controller.proposer import STRIKES, Proposer
from api.models.searches import Search
from api.store import live_searches, searches
from core.protocol.states import SearchStatus, TrialStatus

PATIENCE = 60.0  # seconds


class LeaseCall:
    """A proposer, and the end of its next answer as an event."""

    def __init__(self, world: Any) -> None:
        self.answered = threading.Event()
        self.proposer = Proposer(world.sessions, 1, self.answered.set)
        self._world = world

    def request(self, search: UUID, count: int = 2) -> None:
        with self._world.sessions.begin() as session:
            (live,) = [one for one in live_searches.live(session) if one.search_id == search]
        self.proposer.request(live, count)

    def collect(self) -> None:
        """Store the answer that is awaited."""
        assert self.answered.wait(PATIENCE)
        self.proposer.collect()
        self.answered.clear()  # storing an answer wakes the controller as well


@pytest.fixture
def asking(world: Any) -> Iterator[LeaseCall]:
    asking = LeaseCall(world)
    yield asking
    asking.proposer.close()


def test_an_answer_is_stored_once_and_starts_a_pending_search(world, asking) -> None:
    search = world.search(status=SearchStatus.PENDING, strategy="random")

    asking.request(search)
    asking.request(search)  # one is open: nothing happens
    asking.collect()
    asking.proposer.collect()

    assert world.get_search(search).status == SearchStatus.RUNNING
    assert [trial.number for trial in world.trials(search)] == [0, 1]
    assert {trial.status for trial in world.trials(search)} == {TrialStatus.WAITING}
    world.audit()


def test_a_search_that_is_paused_as_it_is_about_to_begin_stays_paused(world, asking) -> None:
    owner = world.caller()
    search = world.search(owner, status=SearchStatus.PENDING, strategy="random")
    with world.sessions.begin() as session:
        (live,) = live_searches.live(session)
        searches.pause(session, owner, search)

    asking.proposer.request(live, 2)

    assert world.get_search(search).status == SearchStatus.PAUSED
    assert not asking.proposer._open
    with world.sessions.begin() as session:
        enqueued_trials.start(session, live, 2)
    assert world.get_search(search).status == SearchStatus.PAUSED


def test_an_answer_to_a_search_that_has_changed_is_dropped_and_the_next_one_fits(
    world, asking
) -> None:
    search = world.search(strategy="random")
    asking.request(search)
    assert asking.answered.wait(PATIENCE)
    other = world.trial(search)

    asking.collect()
    assert [trial.id for trial in world.trials(search)] == [other]

    world.set(Search, search, status=SearchStatus.PAUSED)
    asking.request(search)  # a paused search asks for nothing
    assert not asking.proposer._open


def test_errors_in_a_row_fail_the_search_with_their_message(world, asking, caplog) -> None:
    search = world.search(strategy="random")
    config = world.get_search(search).config
    world.set(Search, search, config=config | {"strategy": "gone"})

    for strike in range(STRIKES):
        assert world.get_search(search).status == SearchStatus.RUNNING, strike
        asking.request(search)
        asking.collect()

    row = world.get_search(search)
    assert row.status == SearchStatus.FAILED
    assert row.reason.startswith("no trial could be suggested: UnknownKind: unknown strategy")
    assert caplog.text.count("suggesting failed") == STRIKES


def test_a_process_that_dies_while_it_is_idle_costs_nothing(world, asking, caplog) -> None:
    search = world.search(strategy="random")
    for _ in range(2):
        before = len(world.trials(search))
        asking.request(search)
        asking.collect()
        assert len(world.trials(search)) > before
        for child in asking.proposer._pool._children:
            child._process.kill()

    assert "suggesting failed" not in caplog.text


def test_where_no_process_starts_the_search_goes_on_once_one_does(
    world, asking, monkeypatch
) -> None:
    search = world.search(strategy="random")

    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", refuse)
        for _ in range(STRIKES):
            asking.request(search)
            asking.collect()
    assert world.get_search(search).status == SearchStatus.RUNNING

    asking.request(search)
    asking.collect()
    assert len(world.trials(search)) == 2
