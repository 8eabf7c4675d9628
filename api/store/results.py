"""Results: each is checked, counted once, and acknowledged to its worker."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, Connection, select
from sqlalchemy.dialects import postgresql

from api.instruments import (
    EXAMPLES_TRAINED,
    RESULTS_REJECTED,
    TRIAL_DURATION,
    attempt_ended,
)
from api.models.trials import Trial
from api.store import blobs, memory_limits, setbacks
from api.store.endings import moved
from api.store.errors import Conflict
from api.store.fragments import LARGEST, LARGEST_BIG, MOST_EPOCHS, clamped, printable
from api.store.gathered_epochs import EPOCHS, added_epochs, epochs_of
from api.store.missing import missing
from api.store.prepared import PreparedStatement
from api.store.together import (
    LEASE,
    SKIPPING,
    WAITING,
    as_json,
    as_rows,
    both_ways,
    fence,
    first_of_each_trial,
    in_order,
)
from core.errors import InvalidInput
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.fields import Measures
from core.protocol.contracts.results import Comparison, ResultAnswer, TestMetrics, TrialResult
from core.protocol.states import TrialStatus
from core.tasks import TASKS, AbstractTask

# A sum that one impossible report has made huge would show no other one any more.
_LONGEST = 30 * 86_400.0  # seconds of a training that are measured
_FASTEST = 1e8  # examples a second


def accept(
    connection: Connection, trial_id: UUID, report: TrialResult, max_attempts: int
) -> ResultAnswer:
    """Count how a trial ended, once.

    Raises Conflict where the lease is another's, NotFound for an unknown trial, InvalidInput where
    it names blobs of another kind.
    """
    blobs.check(report)
    digest = _digest(report)
    counted = report
    if report.value is not None or _needs_value(report):
        counted = credible(report, _tasks(connection, {trial_id: report}).get(trial_id))
    elif report.out_of_memory and memory_limits.learn(connection, trial_id, report):
        counted = _for_another_device(report, max_attempts)
    end = setbacks.end_attempt if _is_setback(counted) else end_attempt
    status = end(connection, trial_id, counted, digest, max_attempts)
    if status is not None:
        return _accepted(report, counted, status)
    last = last_report(connection, trial_id)
    if last is None:
        RESULTS_REJECTED.labels("unknown_trial").inc()
        raise missing("trial", trial_id)
    if last.digest == digest:
        RESULTS_REJECTED.labels("duplicate").inc()
        return ResultAnswer(accepted=True, reason="duplicate")
    RESULTS_REJECTED.labels("no_lease").inc()
    raise Conflict(f"attempt {report.attempt} has no lease; the trial is {last.status}")


def accept_together(
    connection: Connection, calls: Sequence[tuple[UUID, TrialResult]], max_attempts: int
) -> list[ResultAnswer | None]:
    """The answers to several results; None for those that are left out, and have done nothing.

    Left out are those that `api.store.together` says, and all that need more than to be counted.
    """
    usual = {
        trial_id: report
        for trial_id, report in first_of_each_trial(calls).items()
        if _is_usual(report)
    }
    if not usual:
        return [None] * len(calls)
    tasks = _tasks(connection, usual)
    counted = {trial: credible(report, tasks.get(trial)) for trial, report in usual.items()}
    rows = (_call(trial, counted[trial], _digest(report)) for trial, report in usual.items())
    ended = _end_attempts(connection, rows, max_attempts, SKIPPING)
    answers = {
        trial: _accepted(usual[trial], counted[trial], status) for trial, status in ended.items()
    }
    return in_order(calls, answers)


def _is_usual(report: TrialResult) -> bool:
    """Whether a report only has to be counted: nothing is to be examined or learned from it."""
    try:
        blobs.check(report)
    except InvalidInput:
        return False
    return not (report.damaged or report.setback or report.out_of_memory)


def _digest(report: TrialResult) -> bytes:
    """SHA-256 of a result, by which it is known when it comes again."""
    return hashlib.sha256(report.model_dump_json(exclude={"next"}).encode()).digest()


def _accepted(report: TrialResult, counted: TrialResult, status: TrialStatus) -> ResultAnswer:
    """The answer to a result that is accepted now."""
    _measure(report, counted, status)
    return ResultAnswer(accepted=True, reason="" if counted is report else counted.reason)


def _for_another_device(report: TrialResult, max_attempts: int) -> TrialResult:
    """The report of a trial that ran out of memory: it is tried on another device, if it may be."""
    if report.status is not TrialStatus.INFEASIBLE or report.attempt >= max_attempts:
        return report
    return report.model_copy(update={"status": TrialStatus.FAILED, "retry": True})


def _is_setback(report: TrialResult) -> bool:
    return report.setback and report.status is TrialStatus.FAILED


def _measure(report: TrialResult, counted: TrialResult, status: TrialStatus) -> None:
    """Count an accepted result, and what its training took."""
    attempt_ended(status)
    seconds = min(max(0.0, report.seconds), _LONGEST)
    if report.seconds or report.test is None:  # an export has trained nothing
        TRIAL_DURATION.labels(counted.status.value).observe(seconds)
    speed = min(max(0.0, report.samples_per_second or 0.0), _FASTEST)
    EXAMPLES_TRAINED.inc(speed * seconds)
    if counted is not report:
        RESULTS_REJECTED.labels("impossible_value").inc()


def credible(report: TrialResult, task: AbstractTask | None) -> TrialResult:
    """The report, or a failure in its place where trials of its task cannot have its value.

    Refusing such a report would make the worker send it forever; so it costs an attempt.
    """
    if report.value is None and not _needs_value(report):
        return report
    if report.value is not None and (task is None or task.is_credible(report.value)):
        return report
    reason = f"the worker reported the value {report.value}"
    if task is not None:
        least, greatest = task.value_range
        reason += f"; expected one from {least:g} to {greatest:g}"
    return report.model_copy(update={"status": TrialStatus.FAILED, "reason": reason})


def _needs_value(report: TrialResult) -> bool:
    return report.status is TrialStatus.COMPLETED and report.test is None


#: Parts of a result that have a column for each of their fields: `test.loss` is `test_loss`.
_PARTS: dict[str, type[BaseModel]] = {"weights": BlobRef, "export": BlobRef, "test": TestMetrics}
_APART = {"status", "attempt", "reason", "epochs", "parameters"}  # not copied as they are
_COLUMNS = [
    *(TrialResult.model_fields.keys() - _APART),
    *(f"{part}_{name}" for part, kind in _PARTS.items() for name in kind.model_fields),
]
#: The columns that a result fills; a new field of the message needs only its column.
_FILLED = tuple(name for name in sorted(_COLUMNS) if name in Trial.__table__.columns)
#: What a result has for its trial, as columns whose names no table has.
_NEW = {
    "new_status": "varchar",
    "new_retry": "boolean",
    "new_reason": "varchar",
    "new_epochs": "integer",
    "new_digest": "varchar",
} | {
    f"new_{name}": str(Trial.__table__.columns[name].type.compile(postgresql.dialect()))  # type: ignore[no-untyped-call]
    for name in _FILLED
}
_RESULT = both_ways(
    f"""
WITH {as_rows(LEASE | _NEW | EPOCHS)}, ended AS (
    DELETE FROM leases USING (
        SELECT calls.* FROM leases JOIN calls USING (trial_id, attempt, token)
        ORDER BY trial_id FOR UPDATE OF leases {{locked}}
    ) AS own
    WHERE leases.trial_id = own.trial_id
    RETURNING leases.trial_id, worker_id, leases.attempt AS ended_attempt, gathered,
        greatest(
            greatest(epochs, last_epoch, new_epochs) - least(resumed_epoch, first_epoch - 1), 0
        ) AS epochs,
        {", ".join(_NEW)}
), {added_epochs("ended", "ended_attempt")}, """
    + memory_limits.FITTED
    + ","
    + moved(
        retry="(new_status = 'failed' AND new_retry AND attempt < :max_attempts)",
        otherwise="new_status",
        pause="make_interval(secs => CASE new_status WHEN 'failed' THEN 2 ^ attempt ELSE 0 END)",
        changes="reason = CASE WHEN next = 'stopped' AND new_reason = ''"
        " THEN stopping ELSE new_reason END,"
        " epochs = new_epochs, epochs_spent = epochs_spent + reported,"
        " report_digest = decode(new_digest, 'hex'), "
        + ", ".join(f"{name} = new_{name}" for name in _FILLED),
        targets=set(TrialStatus) - {TrialStatus.RUNNING, TrialStatus.LOST},
        failure="reason",
        given=_NEW,
    )
)


def end_attempt(
    connection: Connection,
    trial_id: UUID,
    report: TrialResult,
    digest: bytes,
    max_attempts: int,
) -> TrialStatus | None:
    """End an attempt and return the trial's new status; None where the lease is another's.

    A failed attempt leads to another one, after a pause, while attempts are left. In a search
    that has ended every ending counts as stopped.
    """
    ended = _end_attempts(connection, [_call(trial_id, report, digest)], max_attempts, WAITING)
    return ended.get(trial_id)


def _end_attempts(
    connection: Connection, calls: Iterable[dict[str, Any]], max_attempts: int, locked: str
) -> dict[UUID, TrialStatus]:
    """The new statuses of the trials whose attempts were ended."""
    values = {"calls": as_json(calls), "max_attempts": max_attempts}
    rows = _RESULT[locked].rows(connection, values)
    return {row.trial_id: TrialStatus(row.status) for row in rows}


def _call(trial_id: UUID, report: TrialResult, digest: bytes) -> dict[str, Any]:
    """A report as a row of the statement."""
    filled = {f"new_{name}": value for name, value in _filled(report).items()}
    return (
        fence(trial_id, report)
        | epochs_of(report.last_epochs)
        | filled
        | {
            "new_status": report.status.value,
            "new_retry": report.retry,
            "new_reason": printable(report.reason),
            "new_epochs": clamped(report.epochs, MOST_EPOCHS),
            "new_digest": digest.hex(),
        }
    )


@dataclass(frozen=True, slots=True)
class LastReport:
    """The status of a trial, and the last report that counted."""

    status: TrialStatus
    digest: bytes | None  # SHA-256 of the last result that counted


def last_report(connection: Connection, trial_id: UUID) -> LastReport | None:
    """The last report of a trial; None where there is no such trial."""
    statement = select(Trial.status, Trial.report_digest).where(Trial.id == trial_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else LastReport(TrialStatus(row.status), row.report_digest)


#: Its rows come from JSON as well: with an array, the server would plan it again for each call.
_TASKS = PreparedStatement(f"""
WITH {as_rows(LEASE)}
SELECT calls.trial_id, config->>'task' AS task, config->>'metric' AS metric
FROM calls JOIN trials ON trials.id = calls.trial_id JOIN searches ON searches.id = search_id
""")


def _tasks(connection: Connection, reports: Mapping[UUID, TrialResult]) -> dict[UUID, AbstractTask]:
    """The task types of the trials' searches, without trials and task types that are unknown."""
    calls = as_json(fence(trial_id, report) for trial_id, report in reports.items())
    rows = _TASKS.rows(connection, {"calls": calls})
    return {row.trial_id: TASKS[row.task](row.metric) for row in rows if row.task in TASKS}


def _filled(report: TrialResult) -> dict[str, Any]:
    """The columns that a result fills; of an attempt without an outcome, its seconds alone."""
    empty: dict[str, Any] = dict.fromkeys(_FILLED)
    if report.status in {TrialStatus.FAILED, TrialStatus.INFEASIBLE}:
        return empty | {"seconds": report.seconds}
    found = report.model_dump()
    for part in _PARTS:
        for name, value in (found.pop(part) or {}).items():
            found[f"{part}_{name}"] = value
    found |= {
        "precision": printable(report.precision) or None,
        "comparison": report.comparison and _stored(report.comparison),
        "measures": _measures(report.measures),
        "test_measures": _measures({} if report.test is None else report.test.measures),
    }
    return {name: _storable(name, found.get(name)) for name in _FILLED}


def _storable(name: str, value: Any) -> Any:
    """A number that its column can hold: integers in messages have no upper limit."""
    if not isinstance(value, int):
        return value
    is_big = isinstance(Trial.__table__.columns[name].type, BigInteger)
    return clamped(value, LARGEST_BIG if is_big else LARGEST)


def _measures(measures: Measures) -> list[Any] | None:
    """Measures as pairs, as JSONB does not keep the order of names; None for none."""
    return [[printable(name), value] for name, value in measures.items()] or None


def _stored(comparison: Comparison) -> dict[str, Any]:
    """A comparison as Postgres can store it."""
    kept = {
        "examples": clamped(comparison.examples),
        "reason": printable(comparison.reason),
    }
    return comparison.model_copy(update=kept).model_dump(mode="json")
