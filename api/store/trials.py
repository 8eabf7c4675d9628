"""Trials: those of a search, one in detail, the lineage of one, and making new ones."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, defer

from api.models import Lease, Search, Trial
from api.schemas import MorphismOut, TrialDetail, TrialOut, TrialPage
from api.store import comparisons, pages, searches
from api.store.changes import changed
from api.store.errors import NotFound
from api.store.keys import Caller
from api.store.trial_rows import PLAIN, architecture_columns
from core.graph.architecture import Architecture
from core.protocol.contracts import TrainingChoices
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
    """A page of a search's trials in the order they were made."""
    searches.require(session, caller, search_id)
    statement = _selection().where(Trial.search_id == search_id).order_by(Trial.number)
    if cursor is not None:
        (number,) = pages.decode(cursor, int)
        statement = statement.where(Trial.number > min(number, 2**31 - 1))
    statement = statement.options(defer(Trial.architecture))
    rows = session.execute(statement.limit(limit + 1)).all()
    items = [TrialOut(**_facts(row)) for row in rows[:limit]]
    following = pages.encode(items[-1].number) if len(rows) > limit else None
    return TrialPage(items=items, next_cursor=following)


def get(session: Session, caller: Caller, trial_id: UUID) -> TrialDetail:
    """One trial with its architecture and its parent's."""
    statement = _selection(_Parent.architecture).where(*_own(caller, trial_id))
    row = session.execute(statement).one_or_none()
    if row is None:
        raise _missing(trial_id)
    return TrialDetail(
        **_facts(row),
        architecture=row.Trial.architecture,
        parent_architecture=row.architecture,
        hyperparameters=row.Trial.hyperparameters,
    )


def require(session: Session, caller: Caller, trial_id: UUID) -> None:
    """Raise NotFound unless the trial is of a search of the caller's."""
    statement = select(Trial.id).join(Search).where(*_own(caller, trial_id))
    if session.scalars(statement).one_or_none() is None:
        raise _missing(trial_id)


def exists(session: Session, trial_id: UUID) -> bool:
    """Whether there is such a trial, whoever it belongs to."""
    return session.scalars(select(Trial.id).where(Trial.id == trial_id)).first() is not None


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
    whole: Architecture | None = None,
) -> bool:
    """Add the final fit, which trains the winner on; False where that was done already.

    With `inherits` it begins with the winner's weights, where there are any. `whole` is what it
    trains in place of the winner's architecture: the trials of the numbers `members` joined.
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
    facts = {name: getattr(winner, name) for name in copied}
    if whole is not None:
        facts |= architecture_columns(whole)
    session.add(
        Trial(
            search_id=search_id,
            number=number,
            kind=TrialKind.FINAL,
            parent_id=winner.id,
            morphisms=[],
            members=list(members),
            inherited=inherits and winner.weights_key is not None,
            available_at=row.started_at,  # before trials that came while its own were training
            **facts,
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


_SAME = (
    "id", "search_id", "number", "attempt", "reason", "parent_id", "inherited", "fingerprint",
    "layers", "parameters", "flops", "choices", "members", "predicted_mean", "predicted_std",
    "value", "value_std", "validation_loss", "precision", "best_epoch", "seconds",
    "samples_per_second", "latency", "worker", "created_at", "started_at", "ended_at",
)  # fmt: skip


def _facts(row: Any) -> dict[str, Any]:
    """The fields of TrialOut."""
    trial: Trial = row.Trial
    is_running = trial.status == TrialStatus.RUNNING
    return {name: getattr(trial, name) for name in _SAME} | {
        "kind": TrialKind(trial.kind),
        "status": TrialStatus(trial.status),
        "parent_number": row.parent_number,
        "comparison": comparisons.of(trial),
        "changes": str(TrainingChoices.model_validate(trial.choices)),
        "ensemble": in_words(trial.members),
        "morphisms": [
            MorphismOut(kind=step["data"]["kind"], text=step["text"], data=step["data"])
            for step in trial.morphisms
        ],
        "epochs": (row.epochs or 0) if is_running else trial.epochs,
        "step": row.step if is_running else None,
    }
