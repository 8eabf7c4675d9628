"""Trials as people see them: the list of a search, one in detail, the exported model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, defer

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.final_fits import ComparisonOut
from api.schemas.trials import MorphismOut, TrialDetail, TrialOut, TrialPage
from api.store import blobs, pages, searches, sharing
from api.store.errors import NotFound
from api.store.fragments import LARGEST
from api.store.keys import Caller
from api.store.missing import missing
from api.store.readable import readable
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialKind, TrialStatus
from core.search.ensembles import in_words
from core.tasks import TASKS, AbstractTask

_Parent = aliased(Trial)
#: Exports of single trials are rows that people see as a part of the exported trial alone.
IS_SHOWN = Trial.kind != TrialKind.EXPORT


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """What charts show of a trial: all trials of a search are read at once."""

    id: UUID
    number: int
    kind: str
    status: str
    attempt: int
    parent_id: UUID | None
    value: float | None
    value_std: float | None
    parameters: int
    flops: int
    latency: float | None
    predicted_mean: float | None = None
    predicted_std: float | None = None
    worker: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FrontTrial:
    """What fronts and comparisons show of a trial that counts for its search and has a value."""

    trial_id: UUID
    number: int
    value: float
    value_std: float | None
    parameters: int
    flops: int
    latency: float | None


@dataclass(frozen=True, slots=True)
class LineageTrial:
    """What the drawing of a lineage shows of a trial."""

    id: UUID
    number: int
    kind: TrialKind
    status: TrialStatus
    parent_id: UUID | None
    parent_number: int | None
    value: float | None
    steps: Sequence[str]  # its morphisms in words
    changes: str  # of hyperparameters, in words


_POINT = tuple(getattr(Trial, field.name) for field in fields(TrialPoint))
#: The columns that a task type turns into what people read.
_METRICS = [
    index
    for index, field in enumerate(fields(TrialPoint))
    if field.name in ("value", "predicted_mean")
]


def listing(
    session: Session,
    caller: Caller,
    search_id: UUID,
    *,
    limit: int = 100,
    cursor: str | None = None,
) -> TrialPage:
    """A page of a search's trials by number; NotFound where the search is another's."""
    searches.require(session, caller, search_id)
    return table(session, search_id, limit=limit, cursor=cursor)


def table(session: Session, search_id: UUID, *, limit: int, cursor: str | None) -> TrialPage:
    """A page of the trials of a search that the caller may see."""
    statement = _selection().where(Trial.search_id == search_id, IS_SHOWN).order_by(Trial.number)
    if cursor is not None:
        (number,) = pages.decode(cursor, int)
        statement = statement.where(Trial.number > max(-1, min(number, LARGEST)))
    statement = statement.options(defer(Trial.architecture))
    rows = session.execute(statement.limit(limit + 1)).all()
    items = [TrialOut.of(row.Trial, **_derived(row)) for row in rows[:limit]]
    following = pages.encode(items[-1].number) if len(rows) > limit else None
    return TrialPage(items=items, next_cursor=following)


def some(session: Session, search_id: UUID, ids: Sequence[UUID]) -> list[TrialOut]:
    """These trials of a search by number."""
    chosen = any_(literal(list(ids), ARRAY(Uuid)))  # one parameter, however many there are
    statement = _selection().where(Trial.search_id == search_id, Trial.id == chosen, IS_SHOWN)
    statement = statement.order_by(Trial.number).options(defer(Trial.architecture))
    return [TrialOut.of(row.Trial, **_derived(row)) for row in session.execute(statement)]


def of_lineage(session: Session, search_id: UUID, ids: Sequence[UUID]) -> list[LineageTrial]:
    """These trials of a search by number, as far as a lineage shows them."""
    task = _task(session, search_id)
    steps = func.jsonb_path_query_array(Trial.morphisms, cast("$[*].text", JSONPATH))
    statement = (
        select(Trial.id, Trial.number, Trial.kind, Trial.status, Trial.parent_id, _Parent.number,
               Trial.value, steps, Trial.choices)
        .outerjoin(_Parent, _Parent.id == Trial.parent_id)
        .where(Trial.search_id == search_id, Trial.id == any_(literal(list(ids), ARRAY(Uuid))))
        .order_by(Trial.number)
    )  # fmt: skip
    return [
        LineageTrial(key, number, TrialKind(kind), TrialStatus(status), parent_id, parent,
                     _metric(value, task), words, _changes(choices))
        for key, number, kind, status, parent_id, parent, value, words, choices
        in session.execute(statement)
    ]  # fmt: skip


def _changes(choices: Any) -> str:
    """The changed hyperparameters in words; empty where none was changed."""
    return str(readable(TrainingChoices, choices)[0]) if choices else ""


def points(session: Session, search_id: UUID) -> list[TrialPoint]:
    """All trials of a search by number, as far as charts show them."""
    of_objective = _task(session, search_id).chosen.of_objective
    shown = (Trial.search_id == search_id, IS_SHOWN)
    statement = select(*_POINT).where(*shown).order_by(Trial.number)
    found = []
    for row in session.execute(statement):
        columns = list(row)
        for index in _METRICS:
            if columns[index] is not None:
                columns[index] = of_objective(columns[index])
        found.append(TrialPoint(*columns))
    return found


def _task(session: Session, search_id: UUID) -> AbstractTask:
    """The task type of a search with its metric."""
    config = select(Search.config).where(Search.id == search_id)
    return task_of(session.scalars(config).one())


def task_of(config: Mapping[str, Any]) -> AbstractTask:
    """The task type of a stored configuration; accuracy where this release does not know it."""
    task, metric = config.get("task"), config.get("metric")
    kind = str(task) if task in TASKS else str(SearchConfig.model_fields["task"].default)
    known = metric in {one.kind for one in TASKS[kind].metrics}
    return TASKS[kind](metric if known else None)


def _metric(value: float | None, task: AbstractTask) -> float | None:
    """A value, of which more is better, as the metric that people read."""
    return None if value is None else task.of_objective(value)


def morphism_kinds(session: Session, search_id: UUID) -> dict[UUID, list[str]]:
    """The kinds of the morphisms of each trial that has any."""
    kinds = func.jsonb_path_query_array(Trial.morphisms, cast("$[*].data.kind", JSONPATH))
    statement = select(Trial.id, kinds).where(Trial.search_id == search_id)
    return {row[0]: row[1] for row in session.execute(statement) if row[1]}


def count(session: Session, search_id: UUID) -> int:
    """How many trials a search has; their numbers are those below."""
    statement = select(Search.next_number).where(Search.id == search_id)
    return session.scalars(statement).one()


def get(session: Session, caller: Caller, trial_id: UUID) -> TrialDetail:
    """One trial with its architecture and its parent's."""
    statement = _selection(_Parent.architecture).where(*_readable(caller, trial_id))
    row = session.execute(statement).one_or_none()
    if row is None:
        raise missing("trial", trial_id)
    return TrialDetail.of(row.Trial, **_derived(row), parent_architecture=row.architecture)


def architecture(session: Session, trial_id: UUID) -> dict[str, Any] | None:
    """The architecture of a trial that the caller may see; None where it was deleted meanwhile."""
    statement = select(Trial.architecture).where(Trial.id == trial_id)
    return session.scalars(statement).one_or_none()


def require(session: Session, caller: Caller, trial_id: UUID) -> None:
    """Raise NotFound unless the trial belongs to a search that the caller may read."""
    _owner(session, caller, trial_id)


def require_change(session: Session, caller: Caller, trial_id: UUID) -> None:
    """Raise NotFound unless the caller may read the trial, Forbidden unless they may change it."""
    if not caller.may_change(_owner(session, caller, trial_id)):
        raise sharing.read_only()


def _owner(session: Session, caller: Caller, trial_id: UUID) -> UUID:
    statement = select(Search.owner_id).join(Trial).where(*_readable(caller, trial_id))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise missing("trial", trial_id)
    return found


def with_value(session: Session, search_id: UUID) -> list[FrontTrial]:
    """The search trials that have a value, by number."""
    of_objective = _task(session, search_id).chosen.of_objective
    statement = (
        select(Trial.id, Trial.number, Trial.value, Trial.value_std, Trial.parameters, Trial.flops,
               Trial.latency)
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.SEARCH)
        .where(Trial.value.is_not(None))
        .order_by(Trial.number)
    )  # fmt: skip
    return [
        FrontTrial(key, number, of_objective(value or 0.0), std, parameters, flops, latency)
        for key, number, value, std, parameters, flops, latency in session.execute(statement)
    ]


def export_of(session: Session, caller: Caller, search_id: UUID) -> BlobRef:
    """The exported model of a search; NotFound until its final fit has ended.

    While an extended search has no new one it is that of its last final fit.
    """
    searches.require(session, caller, search_id)
    exported = Trial.kind.in_([TrialKind.FINAL, TrialKind.FORMER]) & Trial.export_key.is_not(None)
    statement = (
        select(Search.status, Search.reason, Trial.export_key, Trial.export_bytes)
        .outerjoin(Trial, (Trial.search_id == Search.id) & exported)
        .where(Search.id == search_id)
        .order_by(Trial.number.desc())
        .limit(1)
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
    if status is SearchStatus.STOPPED:
        remedy = "extend its budget, then it runs on to an export, or export one of its trials"
    else:
        remedy = "create a new search with the same data set"
    return f"the search {search_id} is {status}{because} and has no exported model: {remedy}"


def _selection(*more: InstrumentedAttribute[Any]) -> Select[Any]:
    """Trials with their parent's number, their lease and the task of their search."""
    return (
        select(
            Trial,
            _Parent.number.label("parent_number"),
            Lease.step,
            Lease.epochs,
            Search.config["task"].astext.label("task"),
            Search.config["metric"].astext.label("metric"),
            *more,
        )
        .join(Search, Search.id == Trial.search_id)
        .outerjoin(_Parent, _Parent.id == Trial.parent_id)
        .outerjoin(Lease, Lease.trial_id == Trial.id)
    )


def _readable(caller: Caller, trial_id: UUID) -> tuple[Any, ...]:
    return Trial.id == trial_id, IS_SHOWN, sharing.may_read(caller)


def _derived(row: Any) -> dict[str, Any]:
    """The fields of TrialOut that are not columns of the trial."""
    trial: Trial = row.Trial
    task = task_of({"task": row.task, "metric": row.metric})
    is_running = trial.status == TrialStatus.RUNNING
    return {
        "value": _metric(trial.value, task),
        "predicted_mean": _metric(trial.predicted_mean, task),
        "parent_number": row.parent_number,
        "changes": _changes(trial.choices),
        "comparison": ComparisonOut.of(trial.comparison, task),
        "ensemble": in_words(trial.members),
        "morphisms": [
            MorphismOut(kind=step["data"]["kind"], text=step["text"], data=step["data"])
            for step in trial.morphisms
        ],
        "epochs": (row.epochs or 0) if is_running else trial.epochs,
        "step": row.step if is_running else None,
    }
