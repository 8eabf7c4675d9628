"""Trials as people see them: the list of a search, one in detail, the exported model."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, defer, load_only

from api.models import Lease, Search, Trial
from api.schemas import ComparisonOut, FrontPoint, MorphismOut, TrialDetail, TrialOut, TrialPage
from api.store import blobs, pages, searches
from api.store.errors import NotFound
from api.store.fragments import LARGEST
from api.store.keys import Caller
from core.protocol.contracts import BlobRef, TrainingChoices
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialKind, TrialStatus
from core.search.ensembles import in_words

_Parent = aliased(Trial)


def listing(
    session: Session,
    caller: Caller,
    search_id: UUID,
    *,
    limit: int = 100,
    cursor: str | None = None,
) -> TrialPage:
    """A page of a search's trials by number."""
    searches.require(session, caller, search_id)
    statement = _selection().where(Trial.search_id == search_id).order_by(Trial.number)
    if cursor is not None:
        (number,) = pages.decode(cursor, int)
        statement = statement.where(Trial.number > max(-1, min(number, LARGEST)))
    statement = statement.options(defer(Trial.architecture))
    rows = session.execute(statement.limit(limit + 1)).all()
    items = [TrialOut.of(row.Trial, **_derived(row)) for row in rows[:limit]]
    following = pages.encode(items[-1].number) if len(rows) > limit else None
    return TrialPage(items=items, next_cursor=following)


def get(session: Session, caller: Caller, trial_id: UUID) -> TrialDetail:
    """One trial with its architecture and its parent's."""
    statement = _selection(_Parent.architecture).where(*_own(caller, trial_id))
    row = session.execute(statement).one_or_none()
    if row is None:
        raise _missing(trial_id)
    return TrialDetail.of(row.Trial, **_derived(row), parent_architecture=row.architecture)


def require(session: Session, caller: Caller, trial_id: UUID) -> None:
    """Raise NotFound unless the trial belongs to a search of the caller's."""
    statement = select(Trial.id).join(Search).where(*_own(caller, trial_id))
    if session.scalars(statement).one_or_none() is None:
        raise _missing(trial_id)


def with_value(session: Session, search_id: UUID) -> list[Trial]:
    """The search trials that have a value; of each, the columns that a front shows."""
    columns = FrontPoint.model_fields.keys() & Trial.__table__.columns.keys()
    shown = load_only(Trial.kind, *(getattr(Trial, name) for name in columns))
    statement = select(Trial).options(shown).order_by(Trial.number)
    counted = (Trial.kind == TrialKind.SEARCH, Trial.value.is_not(None))
    return list(session.scalars(statement.where(Trial.search_id == search_id, *counted)))


def export_of(session: Session, caller: Caller, search_id: UUID) -> BlobRef:
    """The exported model of a search; NotFound until its final fit has ended."""
    searches.require(session, caller, search_id)
    statement = (
        select(Search.status, Search.reason, Trial.export_key, Trial.export_bytes)
        .outerjoin(Trial, (Trial.search_id == Search.id) & (Trial.kind == TrialKind.FINAL))
        .where(Search.id == search_id)
    )
    row = session.execute(statement).one()
    found: BlobRef | None = blobs.reference(row.export_key, row.export_bytes)
    if found is None:
        raise NotFound(_no_export(search_id, SearchStatus(row.status), row.reason))
    return found


def _no_export(search_id: UUID, status: SearchStatus, reason: str) -> str:
    """Why a search has no exported model, and whether it will have one."""
    if status in LIVE_SEARCH:
        resumed = "is resumed and " if status is SearchStatus.PAUSED else ""
        return (
            f"the search {search_id} has no exported model yet: it is {status}, and exports one "
            f"when it {resumed}ends"
        )
    because = f" ({reason})" if reason else ""
    return (
        f"the search {search_id} is {status}{because} and has no exported model: create a new "
        "search with the same data set"
    )


def _selection(*more: InstrumentedAttribute[Any]) -> Select[Any]:
    """Trials with their parent's number, their lease and the task of their search."""
    return (
        select(
            Trial,
            _Parent.number.label("parent_number"),
            Lease.step,
            Lease.epochs,
            Search.config["task"].astext.label("task"),
            *more,
        )
        .join(Search, Search.id == Trial.search_id)
        .outerjoin(_Parent, _Parent.id == Trial.parent_id)
        .outerjoin(Lease, Lease.trial_id == Trial.id)
    )


def _own(caller: Caller, trial_id: UUID) -> tuple[Any, ...]:
    return Trial.id == trial_id, caller.owns(Search.owner_id)


def _missing(trial_id: UUID) -> NotFound:
    return NotFound(f"there is no trial {trial_id}")


def _derived(row: Any) -> dict[str, Any]:
    """The fields of TrialOut that are not columns of the trial."""
    trial: Trial = row.Trial
    is_running = trial.status == TrialStatus.RUNNING
    return {
        "parent_number": row.parent_number,
        "comparison": ComparisonOut.of(trial.comparison, row.task),
        "changes": str(TrainingChoices.model_validate(trial.choices)),
        "ensemble": in_words(trial.members),
        "morphisms": [
            MorphismOut(kind=step["data"]["kind"], text=step["text"], data=step["data"])
            for step in trial.morphisms
        ],
        "epochs": (row.epochs or 0) if is_running else trial.epochs,
        "step": row.step if is_running else None,
    }
