"""How attempts end: by a result, or because the worker sent no more reports.

One statement deletes the lease, moves the trial to its next status and raises the version. It
takes effect for exactly one of several equal or late reports. Locks are taken in the order of
`api.models`: lease, trial, version.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, Connection, select, text

from api.models import Search, Trial
from api.store.fragments import (
    BUMPED,
    LARGEST,
    LARGEST_BIG,
    MOST_EPOCHS,
    NOTIFY_CHANGES,
    NOTIFY_WORK,
    clamped,
    listed,
    printable,
)
from core.protocol.contracts import (
    BlobRef,
    Comparison,
    LeaseRequest,
    TestMetrics,
    TrialResult,
)
from core.protocol.states import LIVE_SEARCH, TRIAL_SOURCES, TrialStatus

# What becomes of a trial after an attempt: `ended` has the trial_id and epochs of the lease.
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
        {changes}
    FROM verdict
    WHERE trials.id = verdict.trial_id AND {sources}
    RETURNING trials.id, search_id, status
), {bumped}
SELECT moved.id AS trial_id, moved.status, {notified}, {work} FROM moved
"""


def _moved(
    *, retry: str, otherwise: str, pause: str, changes: str, targets: set[TrialStatus]
) -> str:
    """The end of a statement that ends attempts, for trials whose status allows each target."""
    allowed = " OR ".join(
        f"(next = '{to}' AND status IN ({listed(TRIAL_SOURCES[to])}))" for to in sorted(targets)
    )
    return _MOVED.format(
        live=listed(LIVE_SEARCH),
        retry=retry,
        otherwise=otherwise,
        pause=pause,
        changes=changes,
        sources=f"({allowed})",
        bumped=BUMPED,
        notified=NOTIFY_CHANGES,
        work=NOTIFY_WORK,
    )


#: Parts of a result that have a column for each of their fields: `test.loss` is `test_loss`.
_PARTS: dict[str, type[BaseModel]] = {"weights": BlobRef, "export": BlobRef, "test": TestMetrics}
_APART = {"status", "attempt", "reason", "epochs", "parameters"}  # not copied as they are
_COLUMNS = [
    *(TrialResult.model_fields.keys() - _APART),
    *(f"{part}_{name}" for part, kind in _PARTS.items() for name in kind.model_fields),
]
#: The columns that a result fills; a new field of the message needs only its column.
_FILLED = tuple(name for name in sorted(_COLUMNS) if name in Trial.__table__.columns)
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
        changes="reason = :reason, epochs = :epochs, epochs_spent = epochs_spent + reported,"
        " report_digest = :digest, "
        + ", ".join(
            f"{name} = CAST(:{name} AS jsonb)" if name == "comparison" else f"{name} = :{name}"
            for name in _FILLED
        ),
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
    row = connection.execute(_RESULT, values).one_or_none()
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


def task_of(connection: Connection, trial_id: UUID) -> str | None:
    """The task type of a trial's search; None where there is no such trial."""
    statement = select(Search.config["task"].as_string()).join(Trial, Trial.search_id == Search.id)
    return connection.scalar(statement.where(Trial.id == trial_id))


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
    changes="epochs_spent = epochs_spent + reported, reason = CASE next"
    " WHEN 'lost' THEN format('%s sent no more reports (attempt %s)', worker, attempt)"
    " WHEN 'stopped' THEN search_reason ELSE '' END",
    targets={TrialStatus.WAITING, TrialStatus.LOST, TrialStatus.STOPPED},
)
_EXPIRE = text(_END.replace("{which}", "expires_at < now()"))
_RELEASE = text(_END.replace("{which}", "worker_id = :worker_id AND boot_id <> :boot_id"))


def expire(connection: Connection, max_attempts: int) -> int:
    """End the attempts whose leases have expired; return how many."""
    return len(connection.execute(_EXPIRE, {"max_attempts": max_attempts}).all())


def release(connection: Connection, request: LeaseRequest, max_attempts: int) -> int:
    """End the attempts that a worker had before its restart; return how many."""
    values = {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "max_attempts": max_attempts,
    }
    return len(connection.execute(_RELEASE, values).all())


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
    }
    return {name: _storable(name, found.get(name)) for name in _FILLED}


def _storable(name: str, value: Any) -> Any:
    """A number that its column can hold: integers in messages have no upper limit."""
    if not isinstance(value, int):
        return value
    is_big = isinstance(Trial.__table__.columns[name].type, BigInteger)
    return clamped(value, LARGEST_BIG if is_big else LARGEST)


def _json(comparison: Comparison) -> str:
    """A comparison as JSON text that Postgres can store."""
    kept = {
        "examples": clamped(comparison.examples),
        "reason": printable(comparison.reason),
    }
    return comparison.model_copy(update=kept).model_dump_json()
