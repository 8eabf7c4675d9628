"""How attempts end, and the endings without a result: the worker sent no more reports.

One statement deletes the lease, moves the trial to its next status and raises the version. It
takes effect for exactly one of several equal or late reports. Locks are taken in the order of
`api.models`: lease, trial, version. The ending with a result is in `api.store.results`.
"""

from typing import Any

from sqlalchemy import Connection, Result, text

from api.instruments import LEASES_EXPIRED, attempt_ended
from api.store.fragments import BUMPED, NOTIFY_CHANGES, NOTIFY_WORK, listed
from core.protocol.contracts import LeaseRequest
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


def moved(
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


_END = """
WITH overdue AS (
    SELECT trial_id FROM leases WHERE {which}
    ORDER BY trial_id FOR UPDATE SKIP LOCKED
), ended AS (
    DELETE FROM leases USING overdue WHERE leases.trial_id = overdue.trial_id
    RETURNING leases.trial_id, epochs
), """ + moved(
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
    return _count(connection.execute(_EXPIRE, {"max_attempts": max_attempts}), "silent")


def release(connection: Connection, request: LeaseRequest, max_attempts: int) -> int:
    """End the attempts that a worker had before its restart; return how many."""
    values = {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "max_attempts": max_attempts,
    }
    return _count(connection.execute(_RELEASE, values), "restarted")


def _count(ended: Result[Any], reason: str) -> int:
    """Count the leases that a statement has ended, for this reason."""
    rows = ended.all()
    LEASES_EXPIRED.labels(reason).inc(len(rows))
    for row in rows:
        attempt_ended(TrialStatus(row.status))
    return len(rows)
