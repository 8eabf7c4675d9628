"""What a worker trained and what went wrong there, of the searches that a caller may read.

A worker's trials are read from the end of `ix_trials_worker`, at most a week back: of each worker
in a list the latest few, of one worker a page. An export trains nothing and is left out.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.models.searches import Search
from api.models.trials import FailedAttempt, Trial
from api.models.workers import Worker
from api.schemas.workers import WorkerDay, WorkerProblem, WorkerTrial, WorkerTrialPage
from api.store import pages, sharing
from api.store.keys import Caller
from api.store.missing import missing
from api.store.trials import IS_SHOWN
from core.protocol.states import TrialStatus

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MEASURED = 20  # latest trials of a worker, whose speeds count
_PROBLEMS = 10  # of a worker
_FAILED = Trial.status.in_((TrialStatus.FAILED, TrialStatus.LOST))
#: The trial of a row, as all answers name it.
_TRIAL: tuple[Any, ...] = (
    Trial.id.label("trial_id"),
    Trial.number,
    Trial.kind,
    Search.id.label("search_id"),
    Search.name.label("search_name"),
)
#: How a trial ended.
_OUTCOME = (
    Trial.status, Trial.attempt, Trial.reason, Trial.precision, Trial.seconds,
    Trial.samples_per_second, Trial.started_at, Trial.ended_at,
)  # fmt: skip


def speed(caller: Caller) -> FromClause:
    """The `precision` and the median `samples_per_second` of each row of `workers`.

    Of those among its latest trials that the caller may read; null without any.
    """
    latest = (
        select(Trial.search_id, Trial.precision, Trial.samples_per_second, Trial.ended_at)
        .where(Trial.worker_id == Worker.id, IS_SHOWN, _within(Trial.ended_at, _WEEK))
        .order_by(Trial.ended_at.desc(), Trial.id.desc())
        .limit(_MEASURED)
        .correlate(Worker)
        .lateral("latest")
    )
    newest = aggregate_order_by(latest.c.precision, latest.c.ended_at.desc())
    precisions = func.array_agg(newest).filter(latest.c.precision.is_not(None))
    median = func.percentile_cont(0.5).within_group(latest.c.samples_per_second)
    return (
        select(precisions[1].label("precision"), median.label("samples_per_second"))
        .select_from(latest)
        .join(Search, Search.id == latest.c.search_id)
        .where(sharing.may_read(caller))
        .lateral("speed")
    )


def last_day(session: Session, caller: Caller, worker_id: UUID) -> WorkerDay:
    """How many trials a worker completed within a day, how many attempts failed, and why."""
    ended = _ended(caller, worker_id, _DAY)
    retried = _retried(caller, worker_id)
    completed, failed = session.execute(
        ended.with_only_columns(
            func.count().filter(Trial.status == TrialStatus.COMPLETED),
            func.count().filter(_FAILED),
        )
    ).one()
    problems = _problems(session, retried, FailedAttempt, tried_again=True)
    if failed:  # else a second reading of the day would find nothing
        problems += _problems(session, ended.where(_FAILED), Trial, tried_again=False)
    failed += session.scalar(retried.with_only_columns(func.count())) or 0
    problems.sort(key=lambda one: one.ended_at, reverse=True)
    return WorkerDay(completed=completed, failed=failed, problems=problems[:_PROBLEMS])


def listing(
    session: Session,
    caller: Caller,
    worker_id: UUID,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> WorkerTrialPage:
    """A page of the trials that ended at a worker, the latest first; NotFound for an unknown one.

    A trial that several workers tried is in the list of the last one.
    """
    if session.get(Worker, worker_id) is None:
        raise missing("worker", worker_id)
    statement = _ended(caller, worker_id, _WEEK).add_columns(*_OUTCOME)
    if cursor is not None:
        last = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Trial.ended_at, Trial.id) < last)
    latest = statement.order_by(Trial.ended_at.desc(), Trial.id.desc())
    rows = session.execute(latest.limit(limit + 1)).all()
    items = [WorkerTrial.of(row) for row in rows[:limit]]
    more = len(rows) > limit
    following = pages.encode_creation(items[-1].ended_at, items[-1].trial_id) if more else None
    return WorkerTrialPage(items=items, next_cursor=following)


def sweep(session: Session) -> None:
    """Delete the failed attempts that no worker shows any more."""
    session.execute(delete(FailedAttempt).where(~_within(FailedAttempt.ended_at, _DAY)))


def _ended(caller: Caller, worker_id: UUID, since: timedelta) -> Select[Any]:
    """The trials that ended at a worker and that the caller may read."""
    return (
        select(*_TRIAL)
        .select_from(Trial)
        .join(Search, Search.id == Trial.search_id)
        .where(Trial.worker_id == worker_id, IS_SHOWN, _within(Trial.ended_at, since))
        .where(sharing.may_read(caller))
    )


def _retried(caller: Caller, worker_id: UUID) -> Select[Any]:
    """The failed attempts of a worker after which the trial was tried again."""
    return (
        select(*_TRIAL)
        .select_from(FailedAttempt)
        .join(Trial, Trial.id == FailedAttempt.trial_id)
        .join(Search, Search.id == Trial.search_id)
        .where(FailedAttempt.worker_id == worker_id, _within(FailedAttempt.ended_at, _DAY))
        .where(IS_SHOWN, sharing.may_read(caller))
    )


def _problems(
    session: Session,
    found: Select[Any],
    row: type[Trial] | type[FailedAttempt],
    *,
    tried_again: bool,
) -> list[WorkerProblem]:
    """The latest of these failures, whose attempt, reason and end are columns of `row`."""
    statement = found.add_columns(row.attempt, row.reason, row.ended_at)
    latest = session.execute(statement.order_by(row.ended_at.desc()).limit(_PROBLEMS))
    return [WorkerProblem.of(one, tried_again=tried_again) for one in latest]


def _within(moment: InstrumentedAttribute[Any], span: timedelta) -> ColumnElement[bool]:
    """An SQL condition: the moment is at most that long ago."""
    return moment > func.now() - span
