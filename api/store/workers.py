"""Workers seen within the last day, and the trial that each of them trains."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, case, delete, func, select, update
from sqlalchemy.orm import Session

from api.models import Lease, MemoryLimit, Search, Trial, Worker
from api.schemas import WorkerOut
from api.store.errors import NotFound
from api.store.keys import Caller
from core.protocol.states import TrialKind

_FORGOTTEN_AFTER = timedelta(days=1)
RECENT = timedelta(minutes=1)  # for which a silent worker counts as alive


def listing(session: Session, caller: Caller) -> list[WorkerOut]:
    """All workers; only a trial's owner sees which worker trains it."""
    statement = (
        select(
            Worker,
            func.greatest(Worker.seen_at, Lease.heard_at).label("seen_at"),
            Search.owner_id,
            case((Trial.kind == TrialKind.EXPORT, Trial.parent_id), else_=Trial.id),
            MemoryLimit.exceeded,
            MemoryLimit.fitted,
        )
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .outerjoin(Trial, Trial.id == Lease.trial_id)
        .outerjoin(Search, Search.id == Trial.search_id)
        .outerjoin(
            MemoryLimit,
            and_(MemoryLimit.device == Worker.device, MemoryLimit.memory == Worker.memory),
        )
        .order_by(Worker.name, Worker.id)
    )
    return [
        WorkerOut.of(
            worker,
            seen_at=seen_at,
            trial_id=trial_id if caller.is_admin or owner_id == caller.key_id else None,
            memory_exceeded=exceeded,
            memory_fitted=fitted,
        )
        for worker, seen_at, owner_id, trial_id, exceeded, fitted in session.execute(statement)
    ]


def trained(session: Session, found: Iterable[WorkerOut]) -> dict[UUID, tuple[int, str]]:
    """The number of each trial that these workers train, and the name of its search, by its id."""
    ids = [one.trial_id for one in found if one.trial_id is not None]
    statement = select(Trial.id, Trial.number, Search.name).join(Search).where(Trial.id.in_(ids))
    return {trial_id: (number, name) for trial_id, number, name in session.execute(statement)}


def drain(session: Session, caller: Caller, worker_id: UUID, *, draining: bool) -> WorkerOut:
    """Give a worker no more trials, or trials again; NotFound for an unknown one."""
    statement = update(Worker).where(Worker.id == worker_id).values(draining=draining)
    if session.execute(statement.returning(Worker.id)).one_or_none() is None:
        raise NotFound(f"there is no worker {worker_id}: `netmorph worker ls` lists them")
    return next(one for one in listing(session, caller) if one.id == worker_id)


def sweep(session: Session) -> None:
    """Delete the workers that have not been seen for a day and have no lease."""
    idle = Worker.id.not_in(select(Lease.worker_id))
    session.execute(delete(Worker).where(Worker.seen_at < func.now() - _FORGOTTEN_AFTER, idle))


def count_live(session: Session) -> int:
    """How many workers sent a report within the last minute."""
    return sum(live_by_device(session).values())


def live_by_device(session: Session) -> dict[str, int]:
    """How many workers of each kind of device sent a report within the last minute."""
    heard_at = func.greatest(Worker.seen_at, Lease.heard_at)
    recent = (
        select(Worker.device, func.count(Worker.id.distinct()))
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .where(heard_at > func.now() - RECENT)
        .group_by(Worker.device)
        .order_by(Worker.device)
    )
    return {device: count for device, count in session.execute(recent)}
