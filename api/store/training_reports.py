"""What a worker reports of its training: heartbeats, epochs and checkpoints.

Each report is one statement that renews the lease; one that names another attempt or token than the
lease changes nothing. The answer says whether to continue.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from api.store.fragments import (
    BUMPED,
    EPOCH_METRICS,
    LARGEST_BIG,
    MOST_EPOCHS,
    NOTIFY_CHANGES,
    clamped,
)
from api.store.prepared import PreparedStatement
from core.errors import InvalidInput
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.reports import Action, Answer, EpochReport, Heartbeat
from core.protocol.states import LIVE_SEARCH

#: Until the first step a worker reads its data: the time of the training does not run meanwhile.
_NOT_BEGUN = "step = 0 AND epochs = 0 AND :step = 0"
_ANSWER = """
SELECT searches.status AS search_status, searches.reason AS search_reason,
    trials.stopping, kind = 'export' AS is_export,
    coalesce(stop_at <= now(), false) OR coalesce(kind = 'search'
        AND searches.started_at + make_interval(secs => trials_deadline) <= now(), false)
        AS late {notify}
FROM heard JOIN trials ON trials.id = heard.trial_id
    JOIN searches ON searches.id = trials.search_id
"""
_HEARD = """
heard AS (
    UPDATE leases
    SET expires_at = now() + CAST(:lease AS interval), heard_at = now(), silent_at = NULL {more}
    WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
    RETURNING trial_id, attempt, stop_at, stored_epoch
)"""
_STEP = (
    f", stop_at = CASE WHEN {_NOT_BEGUN} THEN stop_at + (now() - heard_at) ELSE stop_at END"
    ", step = greatest(step, :step)"
)
_HEARTBEAT = PreparedStatement(f"WITH {_HEARD.format(more=_STEP)} {_ANSWER.format(notify='')}")


def heartbeat(connection: Connection, trial_id: UUID, beat: Heartbeat, lease: timedelta) -> Answer:
    """Renew a lease; the answer says whether to continue.

    Before the first step the limit of the training moves on with the clock.
    """
    values = {
        "trial_id": trial_id,
        "attempt": beat.attempt,
        "token": beat.token,
        "lease": lease,
        "step": clamped(beat.step, LARGEST_BIG),
    }
    return _answer(connection, _HEARTBEAT, values)


# A worker that could not read its checkpoint reports earlier epochs than the next one.
_LAST_EPOCH = (
    ", epochs = greatest(epochs, :epoch), resumed_epoch = least(resumed_epoch, :epoch - 1)"
)
_EPOCH = PreparedStatement(f"""
WITH {_HEARD.format(more=_LAST_EPOCH)}, added AS (
    INSERT INTO epochs (trial_id, attempt, epoch, {", ".join(EPOCH_METRICS)})
    SELECT trial_id, attempt, CAST(:epoch AS integer),
        {", ".join(f"CAST(:{name} AS float8)" for name in EPOCH_METRICS)}
    FROM heard
    ON CONFLICT (trial_id, attempt, epoch) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in EPOCH_METRICS)}
    WHERE ({", ".join(f"epochs.{name}" for name in EPOCH_METRICS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in EPOCH_METRICS)})
    RETURNING trial_id
), moved AS (
    SELECT search_id FROM trials JOIN added ON added.trial_id = trials.id
), {BUMPED}
{_ANSWER.format(notify=f", {NOTIFY_CHANGES}")}
""")


def epoch(connection: Connection, trial_id: UUID, report: EpochReport, lease: timedelta) -> Answer:
    """Store the metrics of an epoch, once, and renew the lease; the answer as to a heartbeat.

    An epoch that is trained again, from a checkpoint before it, replaces its earlier metrics.
    """
    values = report.model_dump() | {
        "trial_id": trial_id,
        "lease": lease,
        "epoch": clamped(report.epoch, MOST_EPOCHS),
    }
    return _answer(connection, _EPOCH, values)


_LAST_CHECKPOINT = ", stored_epoch = greatest(stored_epoch, :epoch)"
# A report that comes after that of a later checkpoint names a blob that may be removed already. No
# row will ever name that of a report which comes after its lease, unless the trial has it already.
_CHECKPOINT = PreparedStatement(f"""
WITH {_HEARD.format(more=_LAST_CHECKPOINT)}, newest AS (
    SELECT trial_id, attempt FROM heard WHERE stored_epoch = CAST(:epoch AS integer)
), useless AS (
    SELECT checkpoint_key AS blob_key, checkpoint_bytes AS blob_bytes
    FROM trials JOIN newest ON trials.id = newest.trial_id
    WHERE checkpoint_key <> :key
    UNION ALL
    SELECT :key, CAST(:bytes AS bigint) WHERE NOT EXISTS (SELECT FROM newest)
), noted AS (
    INSERT INTO discarded (blob_key, blob_bytes) SELECT blob_key, blob_bytes FROM useless
    ON CONFLICT DO NOTHING
), kept AS (
    UPDATE trials
    SET checkpoint_key = :key, checkpoint_bytes = :bytes, checkpoint_attempt = newest.attempt,
        checkpoint_epoch = :epoch, checkpoint_seconds = :seconds
    FROM newest WHERE trials.id = newest.trial_id
)
{_ANSWER.format(notify="")}
""")


_OF_ANOTHER = PreparedStatement(
    "SELECT 1 FROM trials WHERE checkpoint_key = :key AND id <> :trial_id LIMIT 1"
)


def checkpoint(
    connection: Connection, trial_id: UUID, report: CheckpointReport, lease: timedelta
) -> Answer:
    """Keep where a trial's training can be continued, in place of the checkpoint before.

    A report that was delayed beyond that of a later checkpoint only renews the lease. The blob of a
    report without the lease is removed: its worker was slower than the end of its lease.
    Raises InvalidInput for the checkpoint of another trial: no two trials have equal ones.
    """
    values = {
        "trial_id": trial_id,
        "attempt": report.attempt,
        "token": report.token,
        "lease": lease,
        "key": report.blob.key,
        "bytes": clamped(report.blob.bytes, LARGEST_BIG),
        "epoch": clamped(report.epoch, MOST_EPOCHS),
        "seconds": report.seconds,
    }
    if _OF_ANOTHER.first(connection, {"key": report.blob.key, "trial_id": trial_id}):
        raise InvalidInput(f"blob: found {report.blob.key}, the checkpoint of another trial")
    return _answer(connection, _CHECKPOINT, values)


def _answer(connection: Connection, statement: PreparedStatement, values: dict[str, Any]) -> Answer:
    """What the worker is to do next: abandon the trial where it does not have this lease."""
    row = statement.first(connection, values)
    if row is None:
        return Answer(action=Action.ABANDON, reason="the lease is not yours any more")
    if row.search_status not in LIVE_SEARCH and not row.is_export:
        reason = row.search_reason or f"the search is {row.search_status}"
        return Answer(action=Action.STOP, reason=reason)
    if row.stopping:
        return Answer(action=Action.STOP, reason=row.stopping)
    return Answer(action=Action.STOP, reason="the time is up") if row.late else Answer()
