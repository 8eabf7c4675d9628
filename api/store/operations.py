"""Operations: imports that go on after their request has been answered.

The process that has begun an operation is its holder: it alone moves it on, and says that it lives.
Each change compares the status and the holder in the statement that writes, so that of two ends one
counts. Of the times, the database's clock decides.

A running operation has its data set from the transaction on that stores it: from then on it cannot
be cancelled, and is done also where its holder dies.
"""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, Update, cast, delete, func, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from api.models.datasets import Dataset
from api.models.operations import Operation
from api.operation_states import OperationKind, OperationStatus
from api.schemas.operations import OperationOut, OperationPage
from api.store import pages
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.missing import missing
from api.store.notifications import CHANGES

SILENCE = timedelta(seconds=60)  # of a holder, after which it counts as dead
KEPT = timedelta(days=1)  # after its end an operation is forgotten
MOST_KEPT = 200  # of one owner; the oldest ended ones beyond them are forgotten
_LONGEST_STEP = 200  # characters
_LONGEST_DETAIL = 10_000  # characters of the reason of a failure
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def begin(
    session: Session,
    caller: Caller,
    operation_id: UUID,
    holder: UUID,
    *,
    kind: OperationKind,
    name: str,
    step: str,
) -> OperationOut:
    """Begin an operation of the caller; `name` is that of the data set to be.

    Of the caller's ended operations the oldest are forgotten where there are too many.
    """
    row = Operation(
        id=operation_id, owner_id=caller.key_id, holder=holder, kind=kind, name=name,
        step=step[:_LONGEST_STEP],
    )  # fmt: skip
    session.add(row)
    session.flush()
    session.refresh(row)
    older = select(Operation.id).where(Operation.owner_id == caller.key_id)
    newest_first = older.order_by(Operation.created_at.desc(), Operation.id.desc())
    session.execute(
        delete(Operation).where(
            Operation.id.in_(newest_first.offset(MOST_KEPT)),
            Operation.status != OperationStatus.RUNNING,
        )
    )
    return OperationOut.of(row)


def hear(session: Session, holder: UUID, operation_ids: set[UUID]) -> None:
    """Note that the holder lives and carries these operations out."""
    held = update(Operation).where(
        Operation.id.in_(operation_ids),
        Operation.holder == holder,
        Operation.status == OperationStatus.RUNNING,
    )
    session.execute(held.values(heard_at=func.now()))


def advance(session: Session, operation_id: UUID, holder: UUID, step: str) -> bool:
    """Note what an operation does now; False where it has ended or has another holder."""
    values = {"step": step[:_LONGEST_STEP], "heard_at": func.now()}
    return _change(session, _held(holder, operation_id).values(**values)) > 0


def ended(session: Session, operation_ids: set[UUID]) -> set[UUID]:
    """Those of the operations that have ended."""
    statement = select(Operation.id).where(
        Operation.id.in_(operation_ids), Operation.status != OperationStatus.RUNNING
    )
    return set(session.scalars(statement))


def keep(session: Session, operation_id: UUID, holder: UUID, dataset_id: UUID) -> bool:
    """Note the data set that this transaction stores; False where the operation is not running.

    An operation that ends meanwhile waits for this transaction, or this one for its end.
    """
    return _change(session, _held(holder, operation_id).values(dataset_id=dataset_id)) > 0


def finish(session: Session, operation_id: UUID, holder: UUID, dataset_id: UUID) -> bool:
    """End an operation with its data set; False where it has ended or has another holder."""
    stored = select(Dataset.id).where(Dataset.id == dataset_id)  # it may be deleted already
    values = {
        "status": OperationStatus.DONE,
        "step": "",
        "dataset_id": stored.scalar_subquery(),
        "ended_at": func.now(),
    }
    return _change(session, _held(holder, operation_id).values(**values)) > 0


def fail(session: Session, operation_id: UUID, holder: UUID, problem: dict[str, Any]) -> bool:
    """End an operation with a problem document; False where it has ended or has another holder."""
    failed = _without_result(_held(holder, operation_id), OperationStatus.FAILED, problem)
    return _change(session, failed) > 0


def cancel(
    session: Session, caller: Caller, operation_id: UUID, problem: dict[str, Any]
) -> OperationOut:
    """End an operation of the caller without a result; its holder has to end the import.

    Nothing changes where it is cancelled already. Raises Conflict where it has ended otherwise, or
    has stored its data set; NotFound where it is not the caller's.
    """
    get(session, caller, operation_id)
    running = update(Operation).where(
        Operation.id == operation_id,
        Operation.status == OperationStatus.RUNNING,
        Operation.dataset_id.is_(None),
    )
    _change(session, _without_result(running, OperationStatus.CANCELLED, problem))
    session.expire_all()  # the statement has changed the row that was read before
    found = get(session, caller, operation_id)
    if found.status is OperationStatus.RUNNING:
        raise Conflict("the operation has just stored its data set: delete the data set instead")
    if found.status is not OperationStatus.CANCELLED:
        raise Conflict(
            f"the operation is {found.status}; only one that is running can be cancelled"
        )
    return found


def abandon(session: Session, holder: UUID, problem: dict[str, Any]) -> int:
    """End all operations of a holder that ends; return how many have failed."""
    return _end(session, _held(holder), problem)


def expire(session: Session, problem: dict[str, Any]) -> int:
    """End the operations whose holder has been silent for too long; return how many have failed."""
    silent = update(Operation).where(
        Operation.status == OperationStatus.RUNNING, Operation.heard_at < func.now() - SILENCE
    )
    return _end(session, silent, problem)


def sweep(session: Session) -> None:
    """Forget the operations that ended a day ago."""
    session.execute(delete(Operation).where(Operation.ended_at < func.now() - KEPT))


def get(session: Session, caller: Caller, operation_id: UUID) -> OperationOut:
    """One operation; NotFound where it is not the caller's."""
    found = session.scalars(_visible(caller).where(Operation.id == operation_id)).one_or_none()
    if found is None:
        raise missing("operation", operation_id)
    return OperationOut.of(found)


def listing(
    session: Session, caller: Caller, *, limit: int = 100, cursor: str | None = None
) -> OperationPage:
    """A page of the caller's operations, the newest first."""
    statement = _visible(caller).order_by(Operation.created_at.desc(), Operation.id.desc())
    if cursor is not None:
        after = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Operation.created_at, Operation.id) < after)
    rows = list(session.scalars(statement.limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return OperationPage(items=[OperationOut.of(row) for row in items], next_cursor=following)


def recent(session: Session, caller: Caller, most: int) -> list[OperationOut]:
    """The caller's own operations that run, and those that have failed, the newest first.

    One that has failed is left out where a later one has its name.
    """
    later = aliased(Operation)
    is_repeated = (
        select(later.id)
        .where(
            later.owner_id == caller.key_id,
            later.name == Operation.name,
            later.created_at > Operation.created_at,
        )
        .exists()
    )
    has_failed = (Operation.status == OperationStatus.FAILED) & ~is_repeated
    statement = select(Operation).where(
        Operation.owner_id == caller.key_id,
        (Operation.status == OperationStatus.RUNNING) | has_failed,
    )
    newest = statement.order_by(Operation.created_at.desc(), Operation.id.desc()).limit(most)
    return [OperationOut.of(row) for row in session.scalars(newest)]


def _visible(caller: Caller) -> Select[Operation]:
    return select(Operation).where(caller.owns(Operation.owner_id))


def _held(holder: UUID, operation_id: UUID | None = None) -> Update:
    """The running operations of a holder, or one of them."""
    held = update(Operation).where(
        Operation.holder == holder, Operation.status == OperationStatus.RUNNING
    )
    return held if operation_id is None else held.where(Operation.id == operation_id)


def _end(session: Session, chosen: Update, problem: dict[str, Any]) -> int:
    """End operations without a holder; return how many have failed, as they have no data set."""
    stored = chosen.where(Operation.dataset_id.is_not(None))
    _change(session, stored.values(status=OperationStatus.DONE, step="", ended_at=func.now()))
    unstored = chosen.where(Operation.dataset_id.is_(None))
    return _change(session, _without_result(unstored, OperationStatus.FAILED, problem))


def _without_result(chosen: Update, status: OperationStatus, problem: dict[str, Any]) -> Update:
    """The update that ends operations with a problem document, in characters that are storable."""
    detail = _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", str(problem["detail"]))
    return chosen.values(
        status=status,
        step="",
        problem=problem | {"detail": detail[:_LONGEST_DETAIL]},
        ended_at=func.now(),
    )


def _change(session: Session, statement: Update) -> int:
    """Carry an update out and notify the readers of its rows; return how many there are."""
    changed = statement.returning(Operation.id).cte("changed")
    notified = select(func.pg_notify(CHANGES, cast(changed.c.id, String)))
    return len(session.execute(notified).all())
