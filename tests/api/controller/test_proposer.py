"""Requests for suggestions: at most one open for a search, and only answers that fit are stored."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api.controller.proposer import STRIKES, Proposer
from api.models import Search
from api.store import live_searches
from core.protocol.states import SearchStatus, TrialStatus

PATIENCE = 60.0  # seconds


class Asking:
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
        self.answered.clear()
        self.proposer.collect()


@pytest.fixture
def asking(world: Any) -> Iterator[Asking]:
    asking = Asking(world)
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


def test_a_process_that_dies_is_replaced(world, asking) -> None:
    search = world.search(strategy="random")
    asking.proposer.warm_up()
    (process,) = asking.proposer._executor()._processes.values()
    process.kill()
    process.join()

    for _ in range(2):  # the first request may come before the death was noticed
        if not world.trials(search):
            asking.request(search)
            asking.collect()

    assert len(world.trials(search)) == 2
