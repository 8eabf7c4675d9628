"""Making trials: questions go to a pool of processes, answers become rows.

At most one question of a search is open. An answer is stored only if the search still stands as
it did when asked (`api.store.trials.add`); else it is forgotten, and the next question repeats it.
"""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from api.controller import suggesting
from api.db import unit_of_work
from api.store import questions, searches, trials
from api.store.live_searches import LiveSearch
from api.store.recipes import Question, Recipe
from core.errors import SpaceExhausted
from core.protocol.states import LIVE_TRIAL, SearchStatus

_log = logging.getLogger(__name__)

#: So many errors one after the other, and a search fails: its question cannot be answered.
STRIKES = 3

Answer = Future[tuple[Recipe, ...]]


class Proposer:
    """Asks what to try next, and stores the answers; used by the controller's thread alone."""

    def __init__(
        self, sessions: sessionmaker[Session], processes: int, wake: Callable[[], None]
    ) -> None:
        self._sessions = sessions
        self._processes = processes
        self._wake = wake
        self._pool: ProcessPoolExecutor | None = None
        self._open: dict[UUID, tuple[Question, Answer]] = {}
        self._strikes: Counter[UUID] = Counter()
        self._exhausted: dict[UUID, int] = {}  # trials in flight when nothing new was left

    def warm_up(self) -> None:
        """Start a process ahead of the first question, as importing the engine takes seconds."""
        self._executor().submit(suggesting.warm_up)

    def ask(self, search: LiveSearch, count: int) -> None:
        """Ask for some trials of a search, unless a question of it is open.

        Where nothing new was left, trials in flight may yet be parents of something new: then
        the next question waits until one of them has ended.
        """
        in_flight = search.progress.waiting + search.progress.running
        if search.search_id in self._open or self._exhausted.get(search.search_id) == in_flight:
            return
        with unit_of_work(self._sessions) as session:
            if search.progress.status is SearchStatus.PENDING:
                searches.move(session, search.search_id, SearchStatus.RUNNING)
            question = questions.read(session, search, count)
        if question is None:
            return
        future = self._executor().submit(suggesting.answer, question)
        self._open[search.search_id] = question, future
        future.add_done_callback(lambda _: self._wake())

    def collect(self) -> None:
        """Store what was answered since the last call."""
        for search_id, (question, future) in list(self._open.items()):
            if future.done():
                del self._open[search_id]
                self._take(question, future)

    def close(self) -> None:
        """End the processes; open questions are forgotten."""
        self._open.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked from this process, which has threads and connections.
            self._pool = ProcessPoolExecutor(
                self._processes, get_context("spawn"), initializer=suggesting.prepare
            )
        return self._pool

    def _take(self, question: Question, future: Answer) -> None:
        error = future.exception()
        if error is None:
            self._store(question, future.result())
        elif isinstance(error, SpaceExhausted):
            self._exhaust(question, str(error))
        else:
            self._strike(question.search_id, error)

    def _store(self, question: Question, recipes: tuple[Recipe, ...]) -> None:
        with unit_of_work(self._sessions, self._wake) as session:
            trials.add(session, question.search_id, question.next_number, recipes)
        self._strikes.pop(question.search_id, None)
        self._exhausted.pop(question.search_id, None)

    def _exhaust(self, question: Question, reason: str) -> None:
        """Nothing new is left: wait for the trials in flight, or finish without any."""
        in_flight = sum(past.status in LIVE_TRIAL for past in question.past)
        if in_flight:
            self._exhausted[question.search_id] = in_flight
            return
        self._exhausted.pop(question.search_id, None)
        with unit_of_work(self._sessions, self._wake) as session:
            searches.move(session, question.search_id, SearchStatus.FINISHING, reason=reason)

    def _strike(self, search_id: UUID, error: BaseException) -> None:
        """Count an error of the strategy, or the death of its process, against the search."""
        _log.error("suggesting failed", extra={"search_id": str(search_id)}, exc_info=error)
        if isinstance(error, BrokenProcessPool):
            self._pool = None
        self._strikes[search_id] += 1
        if self._strikes[search_id] >= STRIKES:
            del self._strikes[search_id]
            reason = f"no trial could be suggested: {type(error).__name__}: {error}"[:2000]
            with unit_of_work(self._sessions, self._wake) as session:
                searches.move(session, search_id, SearchStatus.FAILED, reason=reason)
