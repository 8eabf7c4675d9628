"""How attempts end: by a result, or because the worker was not heard of again.

The lease is deleted, the trial moves to its next status and the version rises in one statement,
which holds for exactly one of several equal or late reports. Locks are taken in the order of
`api.models`: lease, trial, version.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text

from api.models import Trial
from api.store.fragments import BUMPED, LARGEST, NOTIFY_CHANGES, NOTIFY_WORK, listed, printable
from core.protocol.contracts import Comparison, LeaseRequest, TrialResult
from core.protocol.states import LIVE_SEARCH, TRIAL_SOURCES, TrialStatus

# How a trial goes on from an ended attempt: `ended` has the lease's trial_id and epochs.
_MOVED = """
verdict AS (
    SELECT trial_id, ended.epochs AS reported, searches.reason AS search_reason,
        CASE
            WHEN searches.status NOT IN ({live}) THEN 'stopped'
            WHEN {retry} AND attempt < :max_attempts
                AND (epoch_limit IS NULL OR epochs_spent + ended.epochs < epochs_reserved)
                THEN 'waiting'
            ELSE {otherwise}
        END AS next
    FROM ended JOIN trials ON trials.id = ended.trial_id
        JOIN searches ON searches.id = trials.search_id
), moved AS (
    UPDATE trials
    SET status = next,
        attempt = attempt + CASE next WHEN 'waiting' THEN 1 ELSE 0 END,
        ended_at = CASE next WHEN 'waiting' THEN NULL ELSE now() END,
        available_at = now() + {pause}, ring_at = now() + {pause}, rings = 0,
        {facts}
    FROM verdict
    WHERE trials.id = verdict.trial_id AND {sources}
    RETURNING trials.id, search_id, status
), {bumped}
SELECT moved.id AS trial_id, moved.status, {changes}, {work} FROM moved
"""


def _moved(*, retry: str, otherwise: str, pause: str, facts: str, targets: set[TrialStatus]) -> str:
    """The end of a statement that ends attempts, for trials whose status allows each target."""
    allowed = " OR ".join(
        f"(next = '{to}' AND status IN ({listed(TRIAL_SOURCES[to])}))" for to in sorted(targets)
    )
    return _MOVED.format(
        live=listed(LIVE_SEARCH),
        retry=retry,
        otherwise=otherwise,
        pause=pause,
        facts=facts,
        sources=f"({allowed})",
        bumped=BUMPED,
        changes=NOTIFY_CHANGES,
        work=NOTIFY_WORK,
    )


_FACTS = (
    "value", "value_std", "validation_loss", "value_at_rung", "precision", "best_epoch", "seconds",
    "samples_per_second", "latency",
    "weights_key", "weights_bytes", "export_key", "export_bytes",
    "test_metric", "test_loss", "test_examples",
)  # fmt: skip
_RESULT = text(
    """
WITH ended AS (
    DELETE FROM leases
    WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
    RETURNING trial_id, greatest(epochs, CAST(:epochs AS integer)) AS epochs
), """
    + _moved(
        retry="(:status = 'failed' AND :retry)",
        otherwise=":status",
        pause="make_interval(secs => CASE :status WHEN 'failed' THEN 2 ^ attempt ELSE 0 END)",
        facts="reason = :reason, epochs = :epochs, epochs_spent = epochs_spent + reported,"
        " report_digest = :digest, comparison = CAST(:comparison AS jsonb), "
        + ", ".join(f"{name} = :{name}" for name in _FACTS),
        targets=set(TrialStatus) - {TrialStatus.RUNNING, TrialStatus.LOST},
    )
)


def result(
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
    values = _facts(report) | {
        "trial_id": trial_id,
        "attempt": report.attempt,
        "token": report.token,
        "status": report.status.value,
        "retry": report.retry,
        "reason": printable(report.reason),
        "epochs": min(report.epochs, LARGEST),
        "digest": digest,
        "max_attempts": max_attempts,
    }
    row = connection.execute(_RESULT, values).one_or_none()
    return None if row is None else TrialStatus(row.status)


@dataclass(frozen=True, slots=True)
class LastReport:
    """What a trial came to last."""

    status: TrialStatus
    digest: bytes | None  # of the last result that counted


def last_report(connection: Connection, trial_id: UUID) -> LastReport | None:
    """What a trial came to last; None where there is no such trial."""
    statement = select(Trial.status, Trial.report_digest).where(Trial.id == trial_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else LastReport(TrialStatus(row.status), row.report_digest)


_END = """
WITH overdue AS (
    SELECT trial_id FROM leases WHERE {which}
    ORDER BY trial_id FOR UPDATE SKIP LOCKED
), ended AS (
    DELETE FROM leases USING overdue WHERE leases.trial_id = overdue.trial_id
    RETURNING leases.trial_id, epochs
), """ + _moved(
    retry="true",
    otherwise="'lost'",
    pause="interval '0 s'",
    facts="epochs_spent = epochs_spent + reported, reason = CASE next"
    " WHEN 'lost' THEN format('%s was not heard of again (attempt %s)', worker, attempt)"
    " WHEN 'stopped' THEN search_reason ELSE '' END",
    targets={TrialStatus.WAITING, TrialStatus.LOST, TrialStatus.STOPPED},
)
_EXPIRE = text(_END.replace("{which}", "expires_at < now()"))
_RELEASE = text(_END.replace("{which}", "worker_id = :worker_id AND boot_id <> :boot_id"))


def expire(connection: Connection, max_attempts: int) -> int:
    """End the attempts whose workers were not heard of for too long; how many there were."""
    return len(connection.execute(_EXPIRE, {"max_attempts": max_attempts}).all())


def release(connection: Connection, request: LeaseRequest, max_attempts: int) -> int:
    """End the attempts of a worker's earlier starts at once; how many there were."""
    values = {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "max_attempts": max_attempts,
    }
    return len(connection.execute(_RELEASE, values).all())


def _facts(report: TrialResult) -> dict[str, Any]:
    """What is kept of an ending; a failed attempt has nothing to keep."""
    facts: dict[str, Any] = dict.fromkeys((*_FACTS, "comparison"))
    if report.status in {TrialStatus.FAILED, TrialStatus.INFEASIBLE}:
        return facts | {"seconds": report.seconds}
    facts |= report.model_dump(include=set(_FACTS))
    facts["best_epoch"] = min(report.best_epoch, LARGEST)
    facts["precision"] = printable(report.precision) or None
    facts["comparison"] = report.comparison and _json(report.comparison)
    for name, blob in (("weights", report.weights), ("export", report.export)):
        if blob is not None:
            facts |= {f"{name}_key": blob.key, f"{name}_bytes": blob.bytes}
    if report.test is not None:
        facts |= {
            "test_metric": report.test.metric,
            "test_loss": report.test.loss,
            "test_examples": min(report.test.examples, LARGEST),
        }
    return facts


def _json(comparison: Comparison) -> str:
    """A comparison as the JSON text that Postgres can keep."""
    kept = {
        "examples": min(comparison.examples, LARGEST),
        "reason": printable(comparison.reason),
    }
    return comparison.model_copy(update=kept).model_dump_json()
