"""Results: each is checked, counted once, and acknowledged to its worker."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, Connection, select

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
from api.store.missing import missing
from api.store.prepared import PreparedStatement
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
    digest = hashlib.sha256(report.model_dump_json(exclude={"next"}).encode()).digest()
    counted = report
    if report.value is not None or _needs_value(report):
        counted = credible(report, _task(connection, trial_id))
    elif report.out_of_memory and memory_limits.learn(connection, trial_id, report):
        counted = _for_another_device(report, max_attempts)
    end = setbacks.end_attempt if _is_setback(counted) else end_attempt
    status = end(connection, trial_id, counted, digest, max_attempts)
    if status is not None:
        _measure(report, counted, status)
        return ResultAnswer(accepted=True, reason="" if counted is report else counted.reason)
    last = last_report(connection, trial_id)
    if last is None:
        RESULTS_REJECTED.labels("unknown_trial").inc()
        raise missing("trial", trial_id)
    if last.digest == digest:
        RESULTS_REJECTED.labels("duplicate").inc()
        return ResultAnswer(accepted=True, reason="duplicate")
    RESULTS_REJECTED.labels("no_lease").inc()
    raise Conflict(f"attempt {report.attempt} has no lease; the trial is {last.status}")


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
_AS_JSON = frozenset({"comparison", "measures", "test_measures"})
_FILLED = tuple(name for name in sorted(_COLUMNS) if name in Trial.__table__.columns)
_RESULT = PreparedStatement(
    """
WITH ended AS (
    DELETE FROM leases
    WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
    RETURNING trial_id, worker_id,
        greatest(greatest(epochs, CAST(:epochs AS integer)) - resumed_epoch, 0) AS epochs
), """
    + memory_limits.FITTED
    + ","
    + moved(
        retry="(:status = 'failed' AND :retry AND attempt < :max_attempts)",
        otherwise=":status",
        pause="make_interval(secs => CASE :status WHEN 'failed' THEN 2 ^ attempt ELSE 0 END)",
        changes="reason = CASE WHEN next = 'stopped' AND CAST(:reason AS varchar) = ''"
        " THEN stopping ELSE CAST(:reason AS varchar) END,"
        " epochs = :epochs, epochs_spent = epochs_spent + reported,"
        " report_digest = :digest, "
        + ", ".join(
            f"{name} = CAST(:{name} AS jsonb)" if name in _AS_JSON else f"{name} = :{name}"
            for name in _FILLED
        ),
        targets=set(TrialStatus) - {TrialStatus.RUNNING, TrialStatus.LOST},
        failure="CAST(:reason AS varchar)",
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
    values = _filled(report) | {
        "trial_id": trial_id,
        "attempt": report.attempt,
        "token": report.token,
        "status": report.status.value,
        "retry": report.retry,
        "reason": printable(report.reason),
        "epochs": clamped(report.epochs, MOST_EPOCHS),
        "digest": digest,
        "max_attempts": max_attempts,
    }
    row = _RESULT.first(connection, values)
    return None if row is None else TrialStatus(row.status)


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


#: A text, built once: each result with a value runs it.
_TASK = PreparedStatement("""
SELECT config->>'task' AS task, config->>'metric' AS metric
FROM trials JOIN searches ON searches.id = search_id
WHERE trials.id = :trial_id
""")


def _task(connection: Connection, trial_id: UUID) -> AbstractTask | None:
    """The task type of a trial's search; None where the trial or the task type is unknown."""
    row = _TASK.first(connection, {"trial_id": trial_id})
    return None if row is None or row.task not in TASKS else TASKS[row.task](row.metric)


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
        "comparison": report.comparison and _json(report.comparison),
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


def _measures(measures: Measures) -> str | None:
    """Measures as pairs in JSON text, as JSONB does not keep the order of names; None for none."""
    found = [[printable(name), value] for name, value in measures.items()]
    return json.dumps(found, allow_nan=False) if found else None


def _json(comparison: Comparison) -> str:
    """A comparison as JSON text that Postgres can store."""
    kept = {
        "examples": clamped(comparison.examples),
        "reason": printable(comparison.reason),
    }
    return comparison.model_copy(update=kept).model_dump_json()
