"""The queue: which trials wait for a worker, in which order, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Float, ScalarSelect, case, cast, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import Worker
from api.schemas.queue import QueueStatsOut
from api.store.fragments import listed
from api.store.keys import Caller
from api.store.live_workers import RECENT, count_live, live_by_device
from core.protocol.states import TRAINING_SEARCH, SearchStatus, TrialKind, TrialStatus

_PAUSED = "its search is paused"
BEHIND = "waits behind searches of a higher priority; "


@dataclass(frozen=True, slots=True)
class WaitingTrial:
    """A trial that waits for a worker."""

    position: int  # in the queue, from 1; those that may not start yet come last
    trial_id: UUID  # of an export: that of the trial that is exported, as its number
    number: int
    kind: str
    attempt: int
    search_id: UUID
    search: str
    waiting: float  # seconds
    reason: str  # why it waits, in words


@dataclass(frozen=True, slots=True)
class Capacity:
    """The workers that could take a waiting trial."""

    live: int  # heard of within the last minute
    busy: int
    away: int  # live, and takes no trials at present: it drains or rests

    @property
    def free(self) -> int:
        """Workers that would take a trial now."""
        return max(0, self.live - self.busy - self.away)


def capacity(session: Session) -> Capacity:
    """The workers of the service, also those that train trials of other users."""
    leased = select(Lease.worker_id)
    busy = session.scalars(select(func.count(Lease.worker_id.distinct()))).one()
    away = session.scalars(
        select(func.count()).where(
            or_(Worker.draining, Worker.resting_until > func.now()),
            Worker.id.not_in(leased),
            Worker.seen_at > func.now() - RECENT,
        )
    ).one()
    return Capacity(max(busy, count_live(session)), busy, away)


def queue(
    session: Session, caller: Caller, limit: int, known: Capacity
) -> tuple[list[WaitingTrial], int]:
    """The caller's trials at the head of the queue, and how many of all callers wait.

    The position counts the trials of all callers; those of others are not shown.
    """
    is_paused = (Search.status == SearchStatus.PAUSED) & (Trial.kind != TrialKind.EXPORT)
    is_later = Trial.available_at > func.now()  # last, as paused ones: they may not start yet
    groups = (is_paused, is_later)
    order = (*groups, Trial.queue_rank.desc(), Trial.available_at, Trial.id)
    position = func.row_number().over(order_by=order)
    highest = func.max(Trial.queue_rank).over(partition_by=groups)
    exported, highest_trained = aliased(Trial), _highest_trained()
    is_export = Trial.kind == TrialKind.EXPORT
    waited = func.greatest(0, func.extract("epoch", func.now() - Trial.created_at))
    ordered = (
        select(
            position.label("position"),
            (highest > Trial.queue_rank).label("is_behind"),
            func.coalesce(highest_trained > Trial.queue_rank, False).label("is_behind_trained"),
            case((is_export, Trial.parent_id), else_=Trial.id).label("trial_id"),
            case((is_export, exported.number), else_=Trial.number).label("number"),
            Trial.kind,
            Trial.attempt,
            Trial.reason,
            Trial.available_at,
            Search.id.label("search_id"),
            Search.name.label("search"),
            is_paused.label("is_paused"),
            cast(waited, Float).label("waiting"),
            func.now().label("now"),
        )
        .join(Search, Search.id == Trial.search_id)
        .outerjoin(exported, exported.id == Trial.parent_id)
        .where(Trial.status == TrialStatus.WAITING)
        .subquery()
    )
    statement = (
        select(ordered)
        .join(Search, Search.id == ordered.c.search_id)
        .where(caller.owns(Search.owner_id))
        .order_by(ordered.c.position)
    )
    rows = session.execute(statement.limit(limit)).all()
    total = session.scalars(select(func.count()).where(Trial.status == TrialStatus.WAITING)).one()
    return [_waiting(row, known) for row in rows], total


def _highest_trained() -> ScalarSelect[int | None]:
    """The highest rank of the trials that are being trained; NULL where none is."""
    trained = aliased(Trial)
    highest = select(func.max(trained.queue_rank)).where(trained.status == TrialStatus.RUNNING)
    return highest.scalar_subquery()


#: Literals, as the partial index needs them.
_COULD_START = text(f"""trials.status = 'waiting' AND trials.available_at <= now()
    AND (searches.status IN ({listed(TRAINING_SEARCH)}) OR trials.kind = '{TrialKind.EXPORT}')""")


def stats(session: Session, caller: Caller) -> QueueStatsOut:
    """The queue in numbers; reads the waiting trials and the leases alone, by their indexes."""
    waited = func.extract("epoch", func.now() - func.min(Trial.available_at))
    waiting, oldest = session.execute(
        select(func.count(), func.coalesce(waited, 0))
        .select_from(Trial)
        .join(Search, Search.id == Trial.search_id)
        .where(_COULD_START, caller.owns(Search.owner_id))
    ).one()
    running = session.scalars(
        select(func.count())
        .select_from(Lease)
        .join(Trial, Trial.id == Lease.trial_id)
        .join(Search, Search.id == Trial.search_id)
        .where(caller.owns(Search.owner_id))
    ).one()
    return QueueStatsOut(
        waiting=waiting,
        running=running,
        workers_needed=waiting + running,
        oldest_wait=float(oldest),
        live_workers=live_by_device(session),
    )


def _waiting(row: Any, known: Capacity) -> WaitingTrial:
    # A search with one trial in flight has often none that waits, and still gets the next worker.
    is_behind = row.is_behind or (row.is_behind_trained and not known.free)
    reason = why(row.reason, row.available_at, row.now, known, is_behind=is_behind)
    return WaitingTrial(
        row.position, row.trial_id, row.number, row.kind, row.attempt, row.search_id, row.search,
        row.waiting, _PAUSED if row.is_paused else reason,
    )  # fmt: skip


def why(
    reason: str,
    available_at: datetime,
    now: datetime,
    known: Capacity,
    *,
    is_behind: bool = False,
) -> str:
    """Why a trial waits that may be leased, the hardest obstacle first.

    `reason` is that of its last attempt; `is_behind` says that another priority goes first.
    """
    if available_at > now:
        seconds = (available_at - now).total_seconds()
        because = f" ({reason})" if reason else ""
        return f"another attempt in {seconds:.0f} s{because}"
    last = f"; its last attempt: {reason}" if reason else ""
    behind = BEHIND if is_behind and known.live else ""
    return f"{behind}{_without_worker(known)}{last}"


def _without_worker(known: Capacity) -> str:
    """Why a trial that may start now is not trained yet."""
    if not known.live:
        return "no worker is connected: start one with netmorph up, or see the workers"
    if not known.free:
        away = f", {known.away} take none at present" if known.away else ""
        return f"all workers are busy: {known.busy} of {known.live}{away}"
    return "a worker is about to take it"
