"""Making trials: requests for suggestions go to a pool of processes, their answers become rows.

At most one request of a search is open. An answer is stored only if the search is still as its
snapshot has it (`api.store.new_trials.add`); otherwise it is dropped, and the next request repeats
it. `answer` runs in a process of the pool: it is pure, from a stored snapshot to rows.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from api.controller.process_pool import NoProcess, ProcessPool
from api.controller.suggestions import answer, warm
from api.db import unit_of_work
from api.instruments import SUGGESTION
from api.store import live_searches, new_trials, searches
from api.store.live_searches import LiveSearch
from api.store.snapshots import StoredSnapshot
from core.errors import SpaceExhausted
from core.protocol.states import LIVE_TRIAL, SearchStatus

_log = logging.getLogger(__name__)

#: After this many errors in a row a search fails: no trial can be suggested for it.
STRIKES = 3

#: A suggestion takes seconds; a process that needs longer than this hangs, and is replaced.
SUGGEST_SECONDS = 600.0

Answer = Future[tuple[dict[str, Any], ...]]  # the rows of new trials


class Proposer:
    """Requests suggestions and stores the answers; used by the controller's thread alone."""

    def __init__(
        self, sessions: sessionmaker[Session], processes: int, wake: Callable[[], None]
    ) -> None:
        self._sessions = sessions
        self._wake = wake
        self._pool = ProcessPool(processes, SUGGEST_SECONDS)
        self._open: dict[UUID, tuple[StoredSnapshot, Answer]] = {}
        self._strikes: Counter[UUID] = Counter()
        self._exhausted: dict[UUID, int] = {}  # trials in flight when the space was exhausted

    def warm_up(self) -> None:
        """Start a process ahead of the first request, as importing the engine takes seconds."""
        self._pool.submit(warm, None)  # any call: the process imports this module for it

    def request(self, search: LiveSearch, count: int) -> None:
        """Request some trials of a search, unless a request of it is open.

        Where nothing new was left, trials in flight may still become parents of something new:
        then the next request waits until one of them has ended.
        """
        is_exhausted = self._exhausted.get(search.search_id) == search.in_flight
        if search.search_id in self._open or is_exhausted:
            return
        with unit_of_work(self._sessions) as session:
            if search.progress.status is SearchStatus.PENDING:
                searches.begin(session, search.search_id)
            snapshot = live_searches.snapshot(session, search, count)
        if snapshot is None:
            return
        future = self._pool.submit(answer, snapshot)
        started, strategy = time.monotonic(), str(snapshot.config.get("strategy", "unknown"))
        self._open[search.search_id] = snapshot, future
        future.add_done_callback(lambda _: self._answered(strategy, started))

    def requested(self, search_id: UUID) -> int:
        """How many trials of a search are being suggested."""
        request = self._open.get(search_id)
        return 0 if request is None else request[0].count

    def _answered(self, strategy: str, started: float) -> None:
        SUGGESTION.labels(strategy).observe(time.monotonic() - started)
        self._wake()

    def collect(self) -> None:
        """Store the answers that have come since the last call."""
        for search_id, (snapshot, future) in list(self._open.items()):
            if future.done():
                del self._open[search_id]
                self._take(snapshot, future)

    def close(self) -> None:
        """End the processes; open requests are dropped."""
        self._open.clear()
        self._pool.close()

    def _take(self, snapshot: StoredSnapshot, future: Answer) -> None:
        error = future.exception()
        if error is None:
            self._store(snapshot, future.result())
        elif isinstance(error, SpaceExhausted):
            self._exhaust(snapshot, str(error))
        elif isinstance(error, NoProcess):  # no fault of the search, which asks again
            _log.error("%s", error)
        else:
            self._strike(snapshot.search_id, error)

    def _store(self, snapshot: StoredSnapshot, rows: tuple[dict[str, Any], ...]) -> None:
        with unit_of_work(self._sessions, self._wake) as session:
            new_trials.add(session, snapshot.search_id, snapshot.next_number, rows)
        self._strikes.pop(snapshot.search_id, None)
        self._exhausted.pop(snapshot.search_id, None)

    def _exhaust(self, snapshot: StoredSnapshot, reason: str) -> None:
        """Nothing new is left: wait for the trials in flight, or finish without any."""
        in_flight = sum(row["status"] in LIVE_TRIAL for row in snapshot.trials)
        if in_flight:
            self._exhausted[snapshot.search_id] = in_flight
            return
        self._exhausted.pop(snapshot.search_id, None)
        with unit_of_work(self._sessions, self._wake) as session:
            searches.move(session, snapshot.search_id, SearchStatus.FINISHING, reason=reason)

    def _strike(self, search_id: UUID, error: BaseException) -> None:
        """Count an error of the strategy, or the death of its process, against the search."""
        _log.error("suggesting failed", extra={"search_id": str(search_id)}, exc_info=error)
        self._strikes[search_id] += 1
        if self._strikes[search_id] >= STRIKES:
            del self._strikes[search_id]
            reason = f"no trial could be suggested: {type(error).__name__}: {error}"[:2000]
            with unit_of_work(self._sessions, self._wake) as session:
                searches.move(session, search_id, SearchStatus.FAILED, reason=reason)
