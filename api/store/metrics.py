"""Counts over everything, for Prometheus: read from the database, at most every few seconds."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Samples
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, QueuePool, Select, func, select, text
from sqlalchemy.orm import Session

from api import instruments
from api.instruments import Metric
from api.models.blobs import Discarded
from api.models.datasets import Dataset
from api.models.leases import Leader, Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import MemoryLimit, Worker
from api.store.fragments import listed
from api.store.live_workers import RECENT
from core.protocol.states import LIVE_TRIAL, SearchStatus, TrialStatus

_QUICK = 5.0  # seconds between two readings of what an index answers
_SLOW = 60.0  # seconds between two readings that visit every trial

Row = tuple[tuple[str, ...], float]  # the values of the labels, and the number


class MetricsPage:
    """The text that Prometheus reads from this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = _Database(clock)
        self._registry = CollectorRegistry()
        self._registry.register(self._database)

    def text(self, session: Session) -> bytes:
        """All metrics; the database is asked only for those whose last reading is too old."""
        self._database.refresh(session)
        return generate_latest(self._registry) + generate_latest(instruments.PROCESS)


@dataclass
class _Reading:
    """The rows of some metrics, and when they were read."""

    read: Callable[[Session], dict[Metric, list[Row]]]
    seconds: float  # how long they are used
    rows: dict[Metric, list[Row]] = field(default_factory=dict)
    at: float | None = None


class _Database(Collector):
    """The last readings, as a collector of `prometheus_client`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._readings = [_Reading(_live, _QUICK), _Reading(_ended, _SLOW)]
        self._idle: Counter[str] = Counter()  # seconds by device
        self._connections: list[Row] = []

    def refresh(self, session: Session) -> None:
        """Read again what is too old."""
        with self._lock:
            for reading in self._readings:
                now = self._clock()
                if reading.at is None or now - reading.at >= reading.seconds:
                    rows = reading.read(session)
                    if reading.at is not None:
                        self._add_idle(reading.rows, rows, now - reading.at)
                    reading.rows, reading.at = rows, now
            self._connections = _connections(session)

    def collect(self) -> Iterator[Samples]:
        """Every metric of the database with its last numbers."""
        with self._lock:
            found: dict[Metric, list[Row]] = {instruments.CONNECTIONS: self._connections}
            for reading in self._readings:
                for metric, rows in reading.rows.items():
                    found[metric] = found.get(metric, []) + rows
            found[instruments.WORKER_IDLE] = [((name,), self._idle[name]) for name in self._idle]
        for metric, rows in found.items():
            yield _family(metric, rows)

    def _add_idle(
        self, before: dict[Metric, list[Row]], after: dict[Metric, list[Row]], seconds: float
    ) -> None:
        """Add the seconds between two readings, times the mean number of idle workers in them."""
        for rows in (before, after):
            for (state, device), count in rows.get(instruments.WORKERS, []):
                if state == "idle":
                    self._idle[device] += count * seconds / 2  # type: ignore[assignment]


def _family(metric: Metric, rows: Iterable[Row]) -> Samples:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=tuple(metric.labels))
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


def _live(session: Session) -> dict[Metric, list[Row]]:
    """What changes quickly; each query is answered by a small table or a partial index."""
    return {
        instruments.SEARCHES: _searches(session),
        instruments.TRIALS: _trials(session, LIVE_TRIAL),
        instruments.OLDEST_WAIT: [((), _oldest_wait(session))],
        instruments.WORKERS: _workers(session),
        instruments.MEMORY_EXCEEDED: _memory_exceeded(session),
        instruments.CONTROLLERS: [((), _controllers(session))],
    }


def _ended(session: Session) -> dict[Metric, list[Row]]:
    """What changes slowly, and takes a visit of every trial."""
    return {
        instruments.TRIALS: _trials(session, frozenset(TrialStatus) - LIVE_TRIAL),
        instruments.BLOB_BYTES: _blob_bytes(session),
        instruments.BUILD: [((version("netmorph"), _revision(session)), 1)],
    }


def _searches(session: Session) -> list[Row]:
    found = session.execute(select(Search.status, func.count()).group_by(Search.status))
    counts = dict.fromkeys(SearchStatus, 0) | {SearchStatus(row[0]): row[1] for row in found}
    return [((status.value,), count) for status, count in counts.items()]


def trials_by_status(statuses: frozenset[TrialStatus]) -> Select[str, int]:
    """How many trials have each of these statuses; literals, as partial indexes need them."""
    has_one = text(f"trials.status IN ({listed(statuses)})")
    return select(Trial.status, func.count()).where(has_one).group_by(Trial.status)


def _trials(session: Session, statuses: frozenset[TrialStatus]) -> list[Row]:
    found = session.execute(trials_by_status(statuses))
    counts = dict.fromkeys(sorted(statuses), 0) | {TrialStatus(row[0]): row[1] for row in found}
    return [((status.value,), count) for status, count in counts.items()]


def _oldest_wait(session: Session) -> float:
    waited = func.extract("epoch", func.now() - func.min(Trial.available_at))
    ready = select(waited).where(text("trials.status = 'waiting'"))
    return max(0.0, float(session.scalars(ready).one() or 0.0))


def _workers(session: Session) -> list[Row]:
    """Workers by what they do; each device has a row for both states."""
    recent = func.greatest(Worker.seen_at, func.max(Lease.heard_at)) > func.now() - RECENT
    each = (
        select(Worker.device, func.count(Lease.trial_id).label("leases"))
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .group_by(Worker.id)
        .having(recent)
        .subquery()
    )
    busy = func.count().filter(each.c.leases > 0)
    idle = func.count().filter(each.c.leases == 0)
    rows: list[Row] = []
    for device, at_work, without in session.execute(
        select(each.c.device, busy, idle).group_by(each.c.device).order_by(each.c.device)
    ):
        rows += [(("busy", device), at_work), (("idle", device), without)]
    return rows


def _memory_exceeded(session: Session) -> list[Row]:
    known = select(MemoryLimit.device, MemoryLimit.memory, MemoryLimit.exceeded)
    return [
        ((device, f"{memory / 2**30:g}"), exceeded)
        for device, memory, exceeded in session.execute(known)
        if exceeded is not None
    ]


def _controllers(session: Session) -> int:
    leading = select(func.count()).select_from(Leader).where(Leader.expires_at > func.now())
    return session.scalars(leading).one()


def _blob_bytes(session: Session) -> list[Row]:
    """Sums over rows: to count a shared blob once would sort all of them at each reading."""
    of_trials = select(_sum(Trial.weights_bytes), _sum(Trial.export_bytes))
    weights, exports = session.execute(of_trials).one()
    sums = {
        "datasets": session.scalars(select(_sum(Dataset.blob_bytes))).one(),
        "weights": weights,
        "exports": exports,
        "discarded": session.scalars(select(_sum(Discarded.blob_bytes))).one(),
    }
    return [((kind,), float(size)) for kind, size in sums.items()]


def _sum(size: Any) -> ColumnElement[int]:
    return func.coalesce(func.sum(size), 0)


def _revision(session: Session) -> str:
    return str(session.scalars(text("SELECT version_num FROM alembic_version")).one())


def _connections(session: Session) -> list[Row]:
    """The pool of this process: connections in use, this reading's included, and the limit."""
    pool = session.get_bind().engine.pool
    assert isinstance(pool, QueuePool)
    limit = pool.size() + pool._max_overflow  # which has no public name
    return [(("used",), pool.checkedout()), (("limit",), limit)]
