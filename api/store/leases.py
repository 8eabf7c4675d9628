"""Leases: the hot path between controller and workers, one statement for each call.

A lease is a row that exists exactly while its trial is running. Check and write are the same
statement, so of two reports exactly one counts; the database's clock decides. The statuses that
a trial may leave come from `core.protocol.states.TRIAL_SOURCES`, here as in the pure code.

The statements are SQL text because each is one chain of data-modifying CTEs, which SQLAlchemy's
expressions would hide. How leases end is in `api.store.endings` and `api.store.results`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from api.models import Epoch
from api.priorities import RANKS
from api.store.endings import release
from api.store.errors import Forbidden
from api.store.fragments import (
    BUMPED,
    LARGEST_BIG,
    MOST_EPOCHS,
    NOTIFY_CHANGES,
    OPEN_KEY,
    clamped,
    listed,
    printable,
)
from api.store.memory_limits import FITS_ELSEWHERE, rounded
from api.store.prepared import PreparedStatement
from core.errors import InvalidInput
from core.protocol.contracts import (
    Action,
    Answer,
    CheckpointReport,
    EpochReport,
    Heartbeat,
    LeaseRequest,
)
from core.protocol.states import (
    LIVE_SEARCH,
    LIVE_TRIAL,
    TRAINING_SEARCH,
    TRIAL_SOURCES,
    TrialStatus,
)

#: Seconds that a worker waits for the next trial of the search that it has just trained, rather
#: than take one of a lower priority.
PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Held:
    """A lease; each report for it must name all three."""

    trial_id: UUID
    attempt: int
    token: UUID


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of a request for a lease."""

    held: Held | None  # None: no trial (or not the named one) waits
    has_another: bool  # the worker has a lease already, which must end or be renewed first


def obtain(
    connection: Connection,
    request: LeaseRequest,
    lease: timedelta,
    max_attempts: int,
    trial_id: UUID | None = None,
    key_id: UUID | None = None,
) -> Held | None:
    """A lease of the next trial of the queue, or of the named one; None where none waits.

    A worker that has a lease gets the same one again, as it cannot have seen the answer; one that
    has restarted loses the leases it had before.
    """
    taken = take(connection, request, uuid4(), lease, trial_id, key_id)
    if not taken.has_another:
        return taken.held
    release(connection, request, max_attempts)
    renewed = renew(connection, request, lease)
    return renewed or take(connection, request, uuid4(), lease, trial_id, key_id).held


#: The columns of an epoch beside its key.
METRICS = [column.name for column in Epoch.__table__.columns if not column.primary_key]

_RANK_CASES = " ".join(f"WHEN '{priority}' THEN {rank}" for priority, rank in RANKS.items())
#: The rank of the search whose trial this worker has just trained, while its next one is suggested:
#: a search with one trial in flight would lose its worker after each of them.
_EXPECTED = f"""
SELECT CASE priority {_RANK_CASES} END AS queue_rank
FROM trials JOIN searches ON searches.id = search_id
WHERE worker_id = :worker_id AND trials.ended_at > now() - interval '{PATIENCE} s'
    AND kind <> 'export' AND searches.status IN ({listed(TRAINING_SEARCH)})
    AND (SELECT count(*) FROM trials AS live WHERE live.search_id = searches.id
            AND live.status IN ({listed(LIVE_TRIAL)}) AND live.kind <> 'export'
        ) < CASE searches.status WHEN 'finishing' THEN 1 ELSE parallelism END
"""
#: A bound of the index that the queue is read from: trials behind it are not looked at.
_NOT_BEFORE_EXPECTED = f"""
AND trials.queue_rank >= (SELECT coalesce(max(queue_rank), {min(RANKS.values())}) FROM expected)
"""
# The epochs after the checkpoint are trained again; those before it belong to this attempt as well.
_TAKE = """
WITH other AS (
    SELECT FROM workers JOIN keys ON keys.id = workers.key_id
    WHERE workers.id = :worker_id AND workers.key_id <> CAST(:key_id AS uuid) AND {open_key}
), me AS (
    INSERT INTO workers (id, boot_id, name, device, threads, memory, key_id)
    SELECT :worker_id, :boot_id, :name, :device, :threads, :memory, :key_id
    WHERE NOT EXISTS (SELECT FROM other)
    ON CONFLICT (id) DO UPDATE
    SET boot_id = excluded.boot_id, name = excluded.name, device = excluded.device,
        threads = excluded.threads, memory = excluded.memory, key_id = excluded.key_id,
        seen_at = now(),
        problem = CASE WHEN {is_restarted} THEN '' ELSE workers.problem END,
        rests = CASE WHEN {is_restarted} THEN 0 ELSE workers.rests END,
        resting_until = CASE WHEN {is_restarted} THEN NULL ELSE workers.resting_until END
    WHERE {is_restarted} OR workers.seen_at < now() - interval '5 s'
        OR workers.key_id IS DISTINCT FROM excluded.key_id
), expected AS MATERIALIZED ({expected}
), chosen AS (
    SELECT trials.id,
        CASE trials.kind
            WHEN 'search' THEN searches.started_at + make_interval(secs => trials_deadline)
        END AS stop_at
    FROM trials JOIN searches ON searches.id = trials.search_id
    WHERE trials.status IN ({sources})
        AND available_at <= now() {condition}
        AND CASE kind WHEN 'export' THEN :exports ELSE searches.status IN ({training}) END
        AND (kind <> 'search' OR trials_deadline IS NULL
            OR searches.started_at + make_interval(secs => trials_deadline) > now())
        AND NOT EXISTS (SELECT FROM workers WHERE workers.id = :worker_id
            AND (draining OR resting_until > now() AND boot_id = :boot_id))
        AND NOT EXISTS (SELECT FROM other)
        AND NOT EXISTS (SELECT FROM leases WHERE worker_id = :worker_id)
        AND NOT {fits_elsewhere}
    ORDER BY queue_rank DESC, available_at
    LIMIT 1
    FOR UPDATE OF trials SKIP LOCKED
), moved AS (
    UPDATE trials
    SET status = 'running', started_at = now(), worker = :name,
        worker_id = CAST(:worker_id AS uuid), reason = ''
    FROM chosen WHERE trials.id = chosen.id
    RETURNING trials.id, search_id, attempt, stop_at, checkpoint_attempt, checkpoint_epoch
), leased AS (
    INSERT INTO leases (trial_id, attempt, token, worker_id, boot_id, expires_at, stop_at,
        resumed_epoch)
    SELECT id, attempt, CAST(:token AS uuid), CAST(:worker_id AS uuid), CAST(:boot_id AS uuid),
        now() + CAST(:lease AS interval), stop_at, checkpoint_epoch
    FROM moved
), forgotten AS (
    DELETE FROM epochs USING moved
    WHERE trial_id = moved.id AND epochs.attempt = moved.attempt AND epoch > checkpoint_epoch
), continued AS (
    INSERT INTO epochs (trial_id, attempt, epoch, {metrics})
    SELECT trial_id, moved.attempt, epoch, {metrics} FROM epochs JOIN moved ON trial_id = moved.id
    WHERE epochs.attempt = checkpoint_attempt AND epoch <= checkpoint_epoch
        AND checkpoint_attempt <> moved.attempt
    ON CONFLICT DO NOTHING
), {bumped}
SELECT moved.id AS trial_id, moved.attempt, {notify},
    EXISTS (SELECT FROM leases WHERE worker_id = :worker_id) AS has_another,
    EXISTS (SELECT FROM other) AS is_of_another_key
FROM (SELECT) AS one LEFT JOIN moved ON true
"""
_TAKE_ANY, _TAKE_ONE = (
    PreparedStatement(
        _TAKE.format(
            sources=listed(TRIAL_SOURCES[TrialStatus.RUNNING]),
            training=listed(TRAINING_SEARCH),
            metrics=", ".join(METRICS),
            expected=_EXPECTED,
            condition=condition,
            bumped=BUMPED,
            notify=NOTIFY_CHANGES,
            is_restarted="workers.boot_id <> excluded.boot_id",
            open_key=OPEN_KEY,
            fits_elsewhere=FITS_ELSEWHERE,
        )
    )
    for condition in (_NOT_BEFORE_EXPECTED, "AND trials.id = :trial_id")
)


def take(
    connection: Connection,
    request: LeaseRequest,
    token: UUID,
    lease: timedelta,
    trial_id: UUID | None = None,
    key_id: UUID | None = None,
) -> Taken:
    """Lease the next trial of the queue, or the named one, to a worker; register the worker.

    A worker that has a lease already gets none: either the answer to its last request was lost
    (`renew`), or the worker has restarted since (`api.store.endings.release`). One that rests
    (`api.store.rests`) gets none either. Raises Forbidden where another open key uses its id.
    """
    values = {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "name": printable(request.name),
        "device": printable(request.device),
        "threads": clamped(request.threads),
        "exports": request.exports,
        "memory": clamped(rounded(request.memory), LARGEST_BIG),
        "token": token,
        "lease": lease,
        "key_id": key_id,
    }
    if trial_id is None:
        row = _TAKE_ANY.first(connection, values)
    else:
        row = _TAKE_ONE.first(connection, values | {"trial_id": trial_id})
    if row.is_of_another_key:
        raise Forbidden(
            f"the worker {request.worker_id} belongs to another key: use its key, or give this "
            "worker an id of its own (another NETMORPH_STATE_DIR), or revoke the other key"
        )
    held = None if row.trial_id is None else Held(row.trial_id, row.attempt, token)
    return Taken(held, row.has_another)


_RENEW = PreparedStatement("""
UPDATE leases
SET expires_at = now() + CAST(:lease AS interval), heard_at = now(), silent_at = NULL
WHERE worker_id = :worker_id AND boot_id = :boot_id
RETURNING trial_id, attempt, token
""")


def renew(connection: Connection, request: LeaseRequest, lease: timedelta) -> Held | None:
    """Renew the lease that the running worker has already, if any, and return it."""
    values = {"worker_id": request.worker_id, "boot_id": request.boot_id, "lease": lease}
    row = _RENEW.first(connection, values)
    return None if row is None else Held(row.trial_id, row.attempt, row.token)


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
    INSERT INTO epochs (trial_id, attempt, epoch, {", ".join(METRICS)})
    SELECT trial_id, attempt, CAST(:epoch AS integer),
        {", ".join(f"CAST(:{name} AS float8)" for name in METRICS)}
    FROM heard
    ON CONFLICT (trial_id, attempt, epoch) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in METRICS)}
    WHERE ({", ".join(f"epochs.{name}" for name in METRICS)})
        IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in METRICS)})
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
# A report that comes after that of a later checkpoint names a blob that may be removed already.
_CHECKPOINT = PreparedStatement(f"""
WITH {_HEARD.format(more=_LAST_CHECKPOINT)}, newest AS (
    SELECT trial_id, attempt FROM heard WHERE stored_epoch = CAST(:epoch AS integer)
), useless AS (
    SELECT checkpoint_key AS blob_key, checkpoint_bytes AS blob_bytes
    FROM trials JOIN newest ON trials.id = newest.trial_id
    WHERE checkpoint_key <> :key
    UNION ALL
    SELECT :key, CAST(:bytes AS bigint) FROM heard WHERE NOT EXISTS (SELECT FROM newest)
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

    A report that was delayed beyond that of a later checkpoint only renews the lease.
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
