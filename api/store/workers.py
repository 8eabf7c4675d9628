"""Workers seen within the last day, the trial that each of them trains, and how fast it trains."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, select, true, update
from sqlalchemy.orm import Session

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import MemoryLimit, Worker
from api.schemas.workers import WorkerDetail, WorkerOut
from api.store import sharing, worker_histories
from api.store.keys import Caller
from api.store.missing import missing
from core.protocol.states import TrialKind

_FORGOTTEN_AFTER = timedelta(days=1)


def listing(session: Session, caller: Caller) -> list[WorkerOut]:
    """All workers; only who may read a trial sees which worker trains it, and how fast."""
    return _found(session, caller, true())


def get(session: Session, caller: Caller, worker_id: UUID) -> WorkerDetail:
    """One worker with its last day; NotFound for an unknown one."""
    day = worker_histories.last_day(session, caller, worker_id)
    return WorkerDetail.of(_one(session, caller, worker_id), last_day=day)


def is_known(session: Session, worker_id: UUID | None) -> bool:
    """Whether there is a page of this worker: those that were silent for a day are forgotten."""
    return worker_id is not None and session.get(Worker, worker_id) is not None


def _one(session: Session, caller: Caller, worker_id: UUID) -> WorkerOut:
    found = _found(session, caller, Worker.id == worker_id)
    if not found:
        raise missing("worker", worker_id)
    return found[0]


def _found(session: Session, caller: Caller, condition: ColumnElement[bool]) -> list[WorkerOut]:
    """The workers of a condition by name, as the caller sees them."""
    speed = worker_histories.speed(caller)
    trained = case((Trial.kind == TrialKind.EXPORT, Trial.parent_id), else_=Trial.id)
    statement = (
        select(
            Worker,
            func.greatest(Worker.seen_at, Lease.heard_at).label("seen_at"),
            case((sharing.may_read(caller), trained)).label("trial_id"),
            MemoryLimit.exceeded.label("memory_exceeded"),
            MemoryLimit.fitted.label("memory_fitted"),
            speed.c.precision,
            speed.c.samples_per_second,
        )
        .outerjoin(Lease, Lease.worker_id == Worker.id)
        .outerjoin(Trial, Trial.id == Lease.trial_id)
        .outerjoin(Search, Search.id == Trial.search_id)
        .outerjoin(
            MemoryLimit,
            and_(MemoryLimit.device == Worker.device, MemoryLimit.memory == Worker.memory),
        )
        .outerjoin(speed, true())
        .where(condition)
        .order_by(Worker.name, Worker.id)
    )
    return [WorkerOut.of(row, row.Worker) for row in session.execute(statement)]


def trained(session: Session, found: Iterable[WorkerOut]) -> dict[UUID, tuple[int, str]]:
    """The number of each trial that these workers train, and the name of its search, by its id."""
    ids = [one.trial_id for one in found if one.trial_id is not None]
    statement = select(Trial.id, Trial.number, Search.name).join(Search).where(Trial.id.in_(ids))
    return {trial_id: (number, name) for trial_id, number, name in session.execute(statement)}


def drain(session: Session, caller: Caller, worker_id: UUID, *, draining: bool) -> WorkerOut:
    """Give a worker no more trials, or trials again; NotFound for an unknown one."""
    statement = update(Worker).where(Worker.id == worker_id).values(draining=draining)
    session.execute(statement)
    return _one(session, caller, worker_id)


def sweep(session: Session) -> None:
    """Delete the workers that have not been seen for a day and have no lease."""
    idle = Worker.id.not_in(select(Lease.worker_id))
    session.execute(delete(Worker).where(Worker.seen_at < func.now() - _FORGOTTEN_AFTER, idle))
