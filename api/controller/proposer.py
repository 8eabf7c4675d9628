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

from api.controller.new_rows import rows_of
from api.controller.process_pool import NoProcess, ProcessPool
from api.db import unit_of_work
from api.instruments import SUGGESTION
from api.store import live_searches, new_trials, searches
from api.store.live_searches import CompletedSearch, LiveSearch, StoredSnapshot
from core.errors import SpaceExhausted
from core.graph.architecture import Architecture
from core.graph.bounds import ExceededMemory
from core.protocol.contracts import Bounds, DatasetSpec, SearchConfig
from core.protocol.states import LIVE_TRIAL, SearchStatus
from core.search import defaults, pace
from core.search.history import PastTrial
from core.search.lineage import with_shares
from core.search.recipe import batch_size_of
from core.search.step import Snapshot, step
from core.search.strategies.bayesian import prior_mean_of
from core.tasks import measured

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


def warm(_: None) -> None:
    """Do nothing: the process that is called has imported the engine."""


def answer(stored: StoredSnapshot) -> tuple[dict[str, Any], ...]:
    """The rows of the next trials of a search, as `api.store.new_trials.add` takes them.

    An equal snapshot has the same answer, so that a controller that died after asking does no
    harm. Where the epochs left do not suffice for all, there are fewer rows than requested.

    Raises:
        SpaceExhausted: no new architecture is left; wait for trials in flight, or finish.
    """
    config = SearchConfig.model_validate(stored.config)
    dataset = DatasetSpec.model_validate(stored.dataset)
    return rows_of(
        step(_snapshot(stored, config, dataset)),
        first=stored.next_number,
        config=config,
        dataset=dataset,
        elapsed=stored.elapsed,
        epochs_left=stored.epochs_left,
    )


def _snapshot(stored: StoredSnapshot, config: SearchConfig, dataset: DatasetSpec) -> Snapshot:
    bounds = Bounds.model_validate(stored.bounds)
    best = measured(config).value_range[1]
    root = None if stored.root is None else Architecture.from_json(stored.root)
    trials = tuple(live_searches.past_trial(row, best) for row in stored.trials)
    slowness = defaults.slowness(trials)
    return Snapshot(
        seed=config.seed,
        next_number=stored.next_number,
        count=stored.count,
        strategy=config.strategy,
        strategy_options=config.strategy_options,
        cost=config.cost,
        keeps_value=bool(config.keep_accuracy),
        roots=defaults.race_roots(config, dataset, bounds, root, trials),
        bounds=bounds,
        trials=trials,
        goal=pace.goal(config, dataset),
        example_seconds=pace.example_seconds(config, dataset),
        promoted=defaults.promoted(config, dataset, slowness),
        split_seeds=defaults.split_seeds(config, dataset),
        alternatives=defaults.alternatives_tried(config, dataset, slowness),
        patience=pace.patience(config),
        remaining=pace.remaining_trials(
            config, dataset, created=len(stored.trials), elapsed=stored.elapsed
        ),
        exceeded_memory=_exceeded_memory(stored, config, dataset),
        prior_mean=prior_mean_of([_ended_trials(one) for one in stored.earlier]),
    )


def _exceeded_memory(
    stored: StoredSnapshot, config: SearchConfig, dataset: DatasetSpec
) -> ExceededMemory | None:
    if stored.exceeded_memory is None:
        return None
    return ExceededMemory(stored.exceeded_memory, batch_size_of(config, dataset))


def _ended_trials(search: CompletedSearch) -> list[PastTrial]:
    """The trials of a finished search, each with the share of its training that it has had."""
    config = SearchConfig.model_validate(search.config)
    best = measured(config).value_range[1]
    trials = [live_searches.past_trial(row, best) for row in search.trials]
    goal = pace.goal(config, DatasetSpec.model_validate(search.dataset))
    return [one for one in with_shares(trials, goal) if not one.is_pending]
