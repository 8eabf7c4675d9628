"""How attempts end, and the endings without a result: silence, a restart, a trial handed back.

One statement deletes the lease, moves the trial to its next status and raises the version. It
takes effect for exactly one of several equal or late reports. Locks are taken in the order of
`api.models`: lease, trial, version. The ending with a result is in `api.store.results`.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Result, TextClause, text

from api.instruments import LEASES_EXPIRED, attempt_ended
from api.store.deliveries import BEST_NOTED
from api.store.fragments import BUMPED, NOTIFY_CHANGES, NOTIFY_WORK, listed
from api.store.leader import ABSENCE
from api.store.prepared import PreparedStatement
from core.protocol.contracts.leases import HandBack, LeaseRequest
from core.protocol.states import LIVE_SEARCH, TRAINING_SEARCH, TRIAL_SOURCES, TrialStatus

# What becomes of a trial after an attempt: `ended` has the trial_id and epochs of the lease.
# One that a user stops has no other attempt.
_MOVED = """
verdict AS (
    SELECT trial_id, ended.epochs AS reported, attempt AS tried,
        coalesce(nullif(stopping, ''), searches.reason) AS stop_reason,
        {excused} AS excused, {given}
        CASE
            WHEN searches.status NOT IN ({live}) AND kind <> 'export' THEN 'stopped'
            WHEN {retry} AND stopping <> '' THEN 'stopped'
            WHEN {retry} AND (epoch_limit IS NULL OR kind <> 'search' OR checkpoint_epoch > 0
                OR epochs_spent + ended.epochs < epochs_reserved)
                THEN 'waiting'
            ELSE {otherwise}
        END AS next
    FROM ended JOIN trials ON trials.id = ended.trial_id
        JOIN searches ON searches.id = trials.search_id
), moved AS (
    UPDATE trials
    SET status = next,
        attempt = attempt + CASE WHEN next = 'waiting' AND NOT excused THEN 1 ELSE 0 END,
        ended_at = CASE next WHEN 'waiting' THEN NULL
            ELSE greatest(now(), started_at) END,
        available_at = now() + {pause}, ring_at = now() + {pause}, rings = 0,
        {changes}
    FROM verdict
    WHERE trials.id = verdict.trial_id AND {sources}
    RETURNING trials.id, search_id, status, kind, number, value, worker_id, tried, excused,
        trials.reason
), {failed} {noted}, {bumped}
SELECT moved.id AS trial_id, moved.status, {notified}, {work} FROM moved
"""

# Attempts that count against their worker although the trial goes on.
_FAILED = """
failed AS (
    INSERT INTO failed_attempts (trial_id, attempt, worker_id, reason)
    SELECT id, tried, worker_id, {failure} FROM moved
    WHERE status = 'waiting' AND worker_id IS NOT NULL AND {failure} IS NOT NULL
    ON CONFLICT DO NOTHING
),"""


def moved(
    *,
    retry: str,
    otherwise: str,
    pause: str,
    changes: str,
    targets: set[TrialStatus],
    excused: str = "false",
    failure: str | None = None,
    given: Iterable[str] = (),
) -> str:
    """The end of a statement that ends attempts, for trials whose status allows each target.

    A trial that waits again has one more attempt, unless this one is `excused`. One with a
    checkpoint may have used all its epochs: the next attempt ends with what the checkpoint has.
    `failure` is an SQL expression of why the worker failed, kept where the trial is tried again;
    NULL where the worker did not fail. `given` are columns of `ended` that the expressions name.
    """
    allowed = " OR ".join(
        f"(next = '{to}' AND status IN ({listed(TRIAL_SOURCES[to])}))" for to in sorted(targets)
    )
    return _MOVED.format(
        live=listed(LIVE_SEARCH),
        retry=retry,
        otherwise=otherwise,
        excused=excused,
        pause=pause,
        changes=changes,
        sources=f"({allowed})",
        failed="" if failure is None else _FAILED.format(failure=failure),
        given="".join(f"{name}, " for name in given),
        noted=BEST_NOTED,
        bumped=BUMPED,
        notified=NOTIFY_CHANGES,
        work=NOTIFY_WORK,
    )


#: Epochs trained under a lease: those before its checkpoint were counted with an earlier attempt.
TRAINED = "greatest(epochs - resumed_epoch, 0)"

_NOTICE = text("""
UPDATE leases SET silent_at = now()
WHERE silent_at IS NULL AND heard_at + (expires_at - heard_at) * 2 / 3 < now()
""")
_ASKING_SECONDS = 12  # after its last request a worker counts as asking; longer than two polls
_SILENT = f"""
silent AS (
    SELECT leases.trial_id, leases.worker_id, is_wanted,
        searches.status NOT IN ({listed(LIVE_SEARCH)}) AND kind <> 'export' AS is_obsolete,
        row_number() OVER (PARTITION BY is_wanted ORDER BY expires_at) AS position
    FROM leases JOIN trials ON trials.id = leases.trial_id
        JOIN searches ON searches.id = trials.search_id
        CROSS JOIN LATERAL (
            SELECT searches.status IN ({listed(TRAINING_SEARCH)}) OR kind = 'export' AS is_wanted
        ) AS present
    WHERE expires_at < now() AND silent_at < now() - (expires_at - heard_at) / 3
), asking AS (
    SELECT count(*) AS workers FROM workers
    WHERE seen_at > now() - interval '{_ASKING_SECONDS} s' AND NOT draining
        AND id NOT IN (SELECT worker_id FROM silent)
)"""
_RECLAIMABLE = """expires_at < now() AND trial_id IN (
    SELECT trial_id FROM silent, asking WHERE is_obsolete OR is_wanted AND position <= workers)"""
_MOST_EXCUSED = 20  # setbacks of a trial, after which its silence counts in any case
#: The service was away when the lease was last heard: its silence says nothing about the trial,
#: as its worker may have shut down meanwhile without being able to hand it back.
_EXCUSED = f"""(setbacks < {_MOST_EXCUSED} AND heard_at < coalesce(
    (SELECT since FROM leader WHERE leader.expires_at > now() - interval '{ABSENCE}'), now()))"""
_END = (
    """
WITH {before} overdue AS (
    SELECT trial_id FROM leases WHERE {which}
    ORDER BY trial_id FOR UPDATE SKIP LOCKED
), ended AS (
    DELETE FROM leases USING overdue WHERE leases.trial_id = overdue.trial_id
    RETURNING leases.trial_id, heard_at, {trained} AS epochs
), """.replace("{trained}", TRAINED)
    + moved(
        retry=f"(attempt < :max_attempts OR {_EXCUSED})",
        otherwise="'lost'",
        excused=_EXCUSED,
        pause="interval '0 s'",
        changes="epochs_spent = epochs_spent + reported,"
        " setbacks = setbacks + CASE WHEN excused THEN 1 ELSE 0 END, reason = CASE next"
        " WHEN 'lost' THEN format('%s sent no more reports (attempt %s)', worker, attempt)"
        " WHEN 'stopped' THEN stop_reason ELSE '' END",
        targets={TrialStatus.WAITING, TrialStatus.LOST, TrialStatus.STOPPED},
        failure="CASE WHEN NOT excused THEN '{failure}' END",
    )
)


def _end(which: str, failure: str, before: str = "") -> TextClause:
    """The statement that ends these leases, as a failure of their workers."""
    pieces = {"{before}": before, "{which}": which, "{failure}": failure}
    statement = _END
    for name, piece in pieces.items():
        statement = statement.replace(name, piece)
    return text(statement)


_EXPIRE = _end(_RECLAIMABLE, "it sent no more reports", f"{_SILENT},")
_RELEASE = _end("worker_id = :worker_id AND boot_id <> :boot_id", "it restarted meanwhile")


def expire(connection: Connection, max_attempts: int) -> int:
    """End attempts whose leases have expired, as many as other workers ask for; return how many.

    While nobody else could train them, silent workers keep their trials: they may only be cut off.
    After an outage of the service a worker has a third of its lease to be heard again, from the
    first call of this function on. The attempt of one that is not heard again is not counted.
    """
    connection.execute(_NOTICE)
    return _count(connection.execute(_EXPIRE, {"max_attempts": max_attempts}), "silent")


def release(connection: Connection, request: LeaseRequest, max_attempts: int) -> int:
    """End the attempts that a worker had before its restart; return how many."""
    values = {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "max_attempts": max_attempts,
    }
    return _count(connection.execute(_RELEASE, values), "restarted")


_HAND_BACK = PreparedStatement(
    f"""
WITH ended AS (
    DELETE FROM leases WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
    RETURNING trial_id, {TRAINED} AS epochs
), """
    + moved(
        retry="true",
        otherwise="'lost'",
        excused="true",
        pause="interval '0 s'",
        changes="epochs_spent = epochs_spent + reported, reason = CASE next"
        " WHEN 'lost' THEN format('%s shut down after the last epoch', worker)"
        " WHEN 'stopped' THEN stop_reason ELSE '' END",
        targets={TrialStatus.WAITING, TrialStatus.LOST, TrialStatus.STOPPED},
    )
)


def hand_back(connection: Connection, trial_id: UUID, report: HandBack) -> bool:
    """End a lease without counting the attempt; False where the lease is another's.

    The next lease continues the attempt from its last checkpoint.
    """
    values = {"trial_id": trial_id, "attempt": report.attempt, "token": report.token}
    return _HAND_BACK.first(connection, values) is not None


def _count(ended: Result[Any], reason: str) -> int:
    """Count the leases that a statement has ended, for this reason."""
    rows = ended.all()
    LEASES_EXPIRED.labels(reason).inc(len(rows))
    for row in rows:
        attempt_ended(TrialStatus(row.status))
    return len(rows)
