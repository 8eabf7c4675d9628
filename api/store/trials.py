"""Trials: the list of a search, one in detail, its export, and adding new ones."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, defer, load_only

from api.models import Lease, Search, Trial
from api.schemas import ComparisonOut, FrontPoint, MorphismOut, TrialDetail, TrialOut, TrialPage
from api.store import blobs, pages, searches
from api.store.errors import NotFound
from api.store.fragments import LARGEST
from api.store.keys import Caller
from api.store.notifications import changed
from api.store.trial_rows import PLAIN, architecture_columns
from core.graph.architecture import Architecture
from core.protocol.contracts import BlobRef, TrainingChoices
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
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
    statement = select(Trial.export_key, Trial.export_bytes).where(
        Trial.search_id == search_id, Trial.kind == TrialKind.FINAL
    )
    key, size = session.execute(statement).one_or_none() or (None, None)
    found = blobs.reference(key, size)
    if found is None:
        raise NotFound(f"the search {search_id} has no exported model yet")
    return found


def add(session: Session, search_id: UUID, number: int, new: Sequence[Mapping[str, Any]]) -> bool:
    """Add suggested trials, given as columns, the first of them with this number; all or none.

    False where the search is not running or has got other trials meanwhile: the suggestions no
    longer fit and are dropped.
    """
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.RUNNING,
            Search.next_number == number,
            func.coalesce(Search.trial_limit, number + len(new)) >= number + len(new),
        )
        .values(next_number=number + len(new))
        .returning(Search.id)
    )
    if not new or session.execute(statement).one_or_none() is None:
        return False
    session.add_all(Trial(search_id=search_id, **columns) for columns in new)
    session.flush()
    changed(session, search_id)
    return True


def past(session: Session, search_id: UUID) -> tuple[dict[str, Any], ...]:
    """All trials of a search but the final fit, in the order they were made.

    As plain rows for `api.store.trial_rows.past_trial`, architectures and morphisms as JSON text.
    """
    statement = (
        select(
            Trial.id,
            Trial.status,
            Trial.epochs,
            Trial.choices,
            cast(Trial.architecture, Text).label("architecture"),
            cast(Trial.morphisms, Text).label("morphisms"),
            Trial.weights_key.is_not(None).label("has_weights"),
            Trial.hyperparameters["epochs"].as_integer().label("planned_epochs"),
            Trial.hyperparameters["max_seconds"].as_float().label("max_seconds"),
            *(getattr(Trial, name) for name in PLAIN),
        )
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.SEARCH)
        .order_by(Trial.number)
    )
    return tuple(dict(row) for row in session.execute(statement).mappings())


def add_final(
    session: Session,
    search_id: UUID,
    number: int,
    winner_id: UUID,
    *,
    inherits: bool = True,
    members: Sequence[int] = (),
    joint: Architecture | None = None,
) -> bool:
    """Add the final fit, which trains the winner on; False where it was added already.

    With `inherits` it begins with the winner's weights, if there are any. `joint` is the
    architecture of an ensemble, which joins the trials with the numbers `members`; it replaces
    the winner's.
    """
    winner = session.get(Trial, winner_id)
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.FINISHING,
            Search.next_number == number,
        )
        .values(next_number=number + 1)
        .returning(Search.started_at)
    )
    row = session.execute(statement).one_or_none()
    if winner is None or row is None:
        return False
    copied = ("architecture", "fingerprint", "layers", "parameters", "flops", "choices")
    columns = {name: getattr(winner, name) for name in copied}
    if joint is not None:
        columns |= architecture_columns(joint)
    session.add(
        Trial(
            search_id=search_id,
            number=number,
            kind=TrialKind.FINAL,
            parent_id=winner.id,
            morphisms=[],
            members=list(members),
            inherited=inherits and winner.weights_key is not None,
            available_at=row.started_at,  # goes before trials of later searches
            **columns,
        )
    )
    session.flush()
    changed(session, search_id)
    return True


def _selection(*more: InstrumentedAttribute[Any]) -> Select[Any]:
    """Trials with their parent's number and their lease."""
    return (
        select(Trial, _Parent.number.label("parent_number"), Lease.step, Lease.epochs, *more)
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
        "comparison": ComparisonOut.of(trial.comparison),
        "changes": str(TrainingChoices.model_validate(trial.choices)),
        "ensemble": in_words(trial.members),
        "morphisms": [
            MorphismOut(kind=step["data"]["kind"], text=step["text"], data=step["data"])
            for step in trial.morphisms
        ],
        "epochs": (row.epochs or 0) if is_running else trial.epochs,
        "step": row.step if is_running else None,
    }
