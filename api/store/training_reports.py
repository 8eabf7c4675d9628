"""What a worker reports of its training: heartbeats, epochs and checkpoints.

Each report is one statement that renews the lease; one that names another attempt or token than the
lease changes nothing. The answer says whether to continue.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from api.store.fragments import (
    BUMPED,
    LARGEST_BIG,
    MOST_EPOCHS,
    NOTIFY_CHANGES,
    clamped,
)
from api.store.gathered_epochs import EPOCHS, added_epochs, epochs_of
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
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.reports import Action, Answer, EpochReport, Heartbeat
from core.protocol.states import LIVE_SEARCH

#: Until the first step a worker reads its data: the time of the training does not run meanwhile.
_NOT_BEGUN = "leases.step = 0 AND epochs = 0 AND own.step = 0"
_ANSWER = """
SELECT heard.trial_id, searches.status AS search_status, searches.reason AS search_reason,
    trials.stopping, kind = 'export' AS is_export,
    coalesce(stop_at <= now(), false) OR coalesce(kind = 'search'
        AND searches.started_at + make_interval(secs => trials_deadline) <= now(), false)
        AS late {notify}
FROM heard JOIN trials ON trials.id = heard.trial_id
    JOIN searches ON searches.id = trials.search_id
"""
#: Renews the leases that the calls name, each with its values as `own`.
_HEARD = """
heard AS (
    UPDATE leases
    SET expires_at = now() + CAST(:lease AS interval), heard_at = now(), silent_at = NULL {more}
    FROM (
        SELECT calls.* FROM leases JOIN calls USING (trial_id, attempt, token)
        ORDER BY trial_id FOR NO KEY UPDATE OF leases {locked}
    ) AS own
    WHERE leases.trial_id = own.trial_id
    RETURNING {columns}, stop_at, stored_epoch
)"""
_STEP = (
    f", stop_at = CASE WHEN {_NOT_BEGUN} THEN stop_at + (now() - heard_at) ELSE stop_at END"
    ", step = greatest(leases.step, own.step)"
)


def _heard(more: str, columns: str = "own.*") -> str:
    return _HEARD.format(more=more, columns=columns, locked="{locked}")


_HEARTBEAT = both_ways(
    f"WITH {as_rows(LEASE | {'step': 'bigint'})}, {_heard(_STEP)} {_ANSWER.format(notify='')}"
)


def heartbeat(connection: Connection, trial_id: UUID, beat: Heartbeat, lease: timedelta) -> Answer:
    """Renew a lease; the answer says whether to continue.

    Before the first step the limit of the training moves on with the clock.
    """
    return _alone(_heartbeats(connection, {trial_id: beat}, lease, WAITING))


def heartbeats(
    connection: Connection, calls: Sequence[tuple[UUID, Heartbeat]], lease: timedelta
) -> list[Answer | None]:
    """The answers to several heartbeats; None for those that are left out, and have done nothing.

    Left out are all that have no lease, that would have to wait, or that come twice.
    """
    found = _heartbeats(connection, first_of_each_trial(calls), lease, SKIPPING)
    return in_order(calls, found)


def _heartbeats(
    connection: Connection, beats: Mapping[UUID, Heartbeat], lease: timedelta, locked: str
) -> dict[UUID, Answer]:
    rows = (
        fence(trial_id, beat) | {"step": clamped(beat.step, LARGEST_BIG)}
        for trial_id, beat in beats.items()
    )
    return _answers(connection, _HEARTBEAT[locked], rows, {"lease": lease})


# A worker that could not read its checkpoint reports earlier epochs than the next one.
_LAST_EPOCH = (
    ", epochs = greatest(epochs, last_epoch), resumed_epoch = least(resumed_epoch, first_epoch - 1)"
)
_EPOCH = both_ways(f"""
WITH {as_rows(LEASE | EPOCHS)}, {_heard(_LAST_EPOCH)}, {added_epochs("heard", "attempt")},
moved AS (
    SELECT search_id FROM trials JOIN added ON added.trial_id = trials.id
), {BUMPED}
{_ANSWER.format(notify=f", {NOTIFY_CHANGES}")}
""")


def epoch(connection: Connection, trial_id: UUID, report: EpochReport, lease: timedelta) -> Answer:
    """Store the metrics of epochs, once, and renew the lease; the answer as to a heartbeat.

    An epoch that is trained again, from a checkpoint before it, replaces its earlier metrics.
    """
    return _alone(_epochs(connection, {trial_id: report}, lease, WAITING))


def epochs(
    connection: Connection, calls: Sequence[tuple[UUID, EpochReport]], lease: timedelta
) -> list[Answer | None]:
    """The answers to several reports of epochs; None for those left out, see `heartbeats`."""
    found = _epochs(connection, first_of_each_trial(calls), lease, SKIPPING)
    return in_order(calls, found)


def _epochs(
    connection: Connection, reports: Mapping[UUID, EpochReport], lease: timedelta, locked: str
) -> dict[UUID, Answer]:
    rows = (
        fence(trial_id, report) | epochs_of((*report.earlier, report))
        for trial_id, report in reports.items()
    )
    return _answers(connection, _EPOCH[locked], rows, {"lease": lease})


_LAST_CHECKPOINT = ", stored_epoch = greatest(stored_epoch, own.epoch)"
# A report that comes after that of a later checkpoint names a blob that may be removed already. No
# row will ever name that of a report which comes after its lease, unless the trial has it already.
_CHECKPOINT = PreparedStatement(f"""
WITH {as_rows(LEASE | {"epoch": "integer"})},
{_heard(_LAST_CHECKPOINT).replace("{locked}", WAITING)}, newest AS (
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
        "lease": lease,
        "key": report.blob.key,
        "bytes": clamped(report.blob.bytes, LARGEST_BIG),
        "epoch": clamped(report.epoch, MOST_EPOCHS),
        "seconds": report.seconds,
    }
    if _OF_ANOTHER.first(connection, {"key": report.blob.key, "trial_id": trial_id}):
        raise InvalidInput(f"blob: found {report.blob.key}, the checkpoint of another trial")
    row = fence(trial_id, report) | {"epoch": values["epoch"]}
    return _alone(_answers(connection, _CHECKPOINT, [row], values))


def _answers(
    connection: Connection,
    statement: PreparedStatement,
    calls: Iterable[dict[str, Any]],
    values: dict[str, Any],
) -> dict[UUID, Answer]:
    """What the workers of these trials are to do next; none for one without this lease."""
    rows = statement.rows(connection, values | {"calls": as_json(calls)})
    return {row.trial_id: _answer(row) for row in rows}


def _alone(answers: dict[UUID, Answer]) -> Answer:
    """The only answer; a worker that does not have the lease abandons the trial."""
    abandoned = Answer(action=Action.ABANDON, reason="the lease is not yours any more")
    return next(iter(answers.values()), abandoned)


def _answer(row: Any) -> Answer:
    """What a worker is to do next."""
    if row.search_status not in LIVE_SEARCH and not row.is_export:
        reason = row.search_reason or f"the search is {row.search_status}"
        return Answer(action=Action.STOP, reason=reason)
    if row.stopping:
        return Answer(action=Action.STOP, reason=row.stopping)
    return Answer(action=Action.STOP, reason="the time is up") if row.late else Answer()
