"""Leases: the hot path between controller and workers, one statement for each call.

A lease is a row that exists exactly while its trial is running. Check and write are the same
statement, so of two reports exactly one counts; the database's clock decides. The statuses that
a trial may leave come from `core.protocol.states.TRIAL_SOURCES`, here as in the pure code.

The statements are SQL text because each is one chain of data-modifying CTEs, which SQLAlchemy's
expressions would hide. What workers report meanwhile is in `api.store.training_reports`; how leases
end, in `api.store.endings` and `api.store.results`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from api.priorities import RANKS
from api.store.endings import release
from api.store.errors import Forbidden
from api.store.fragments import (
    BUMPED,
    EPOCH_METRICS,
    LARGEST_BIG,
    NOTIFY_CHANGES,
    OPEN_KEY,
    clamped,
    listed,
    printable,
)
from api.store.memory_limits import FITS_ELSEWHERE, rounded
from api.store.prepared import PreparedStatement
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.states import LIVE_TRIAL, TRAINING_SEARCH, TRIAL_SOURCES, TrialStatus

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


_RANK_CASES = " ".join(f"WHEN '{priority}' THEN {rank}" for priority, rank in RANKS.items())
#: The rank of the searches whose trials workers have just trained, while the next one is suggested:
#: a search with one trial in flight would lose its worker after each of them. No more trials in
#: flight are counted than the search may have, the newest first: the index has older ones that have
#: ended, until it is vacuumed. `trained` are the columns of a CTE or a table.
EXPECTED = f"""
SELECT {{columns}} CASE priority {_RANK_CASES} END AS queue_rank
FROM (SELECT DISTINCT {{columns}} search_id FROM {{trained}}
        AND ended_at > now() - interval '{PATIENCE} s' AND kind <> 'export') AS trained
    JOIN searches ON searches.id = search_id
    CROSS JOIN LATERAL (
        SELECT CASE searches.status WHEN 'finishing' THEN 1 ELSE parallelism END AS most) AS allowed
WHERE searches.status IN ({listed(TRAINING_SEARCH)})
    AND (SELECT count(*) FROM (
            SELECT FROM trials AS live WHERE live.search_id = searches.id
                AND live.status IN ({listed(LIVE_TRIAL)}) AND live.kind <> 'export'
            ORDER BY live.number DESC LIMIT most) AS counted
        ) < most
"""
#: Trials that wait for a worker of this kind, with when each is stopped.
WAITING_TRIALS = f"""
    SELECT trials.id, trials.queue_rank, trials.available_at,
        CASE trials.kind
            WHEN 'search' THEN searches.started_at + make_interval(secs => trials_deadline)
        END AS stop_at
    FROM trials JOIN searches ON searches.id = trials.search_id
    WHERE trials.status IN ({listed(TRIAL_SOURCES[TrialStatus.RUNNING])})
        AND available_at <= now()
        AND CASE kind WHEN 'export' THEN :exports
            ELSE searches.status IN ({listed(TRAINING_SEARCH)}) END
        AND (kind <> 'search' OR trials_deadline IS NULL
            OR searches.started_at + make_interval(secs => trials_deadline) > now())
        AND NOT {FITS_ELSEWHERE}"""
#: How the row of a worker that asks again is kept up to date.
SEEN_AGAIN = """
    ON CONFLICT (id) DO UPDATE
    SET boot_id = excluded.boot_id, name = excluded.name, device = excluded.device,
        threads = excluded.threads, memory = excluded.memory, key_id = excluded.key_id,
        seen_at = now(),
        problem = CASE WHEN {is_restarted} THEN '' ELSE workers.problem END,
        rests = CASE WHEN {is_restarted} THEN 0 ELSE workers.rests END,
        resting_until = CASE WHEN {is_restarted} THEN NULL ELSE workers.resting_until END
    WHERE {is_restarted} OR workers.seen_at < now() - interval '5 s'
        OR workers.key_id IS DISTINCT FROM excluded.key_id
""".replace("{is_restarted}", "workers.boot_id <> excluded.boot_id")
#: What a trial has when it is leased; follows a CTE `moved` with the trial and its worker. The
#: epochs after the checkpoint are trained again; those before it belong to this attempt as well.
LEASED = """
leased AS (
    INSERT INTO leases (trial_id, attempt, token, worker_id, boot_id, expires_at, stop_at,
        resumed_epoch)
    SELECT id, attempt, token, worker_id, boot_id, now() + CAST(:lease AS interval), stop_at,
        checkpoint_epoch
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
)""".replace("{metrics}", ", ".join(EPOCH_METRICS))
#: A bound of the index that the queue is read from: trials behind it are not looked at.
_NOT_BEFORE_EXPECTED = f"""
AND trials.queue_rank >= (SELECT coalesce(max(queue_rank), {min(RANKS.values())}) FROM expected)
"""
_TAKE = f"""
WITH other AS (
    SELECT FROM workers JOIN keys ON keys.id = workers.key_id
    WHERE workers.id = :worker_id AND workers.key_id <> CAST(:key_id AS uuid) AND {OPEN_KEY}
), me AS (
    INSERT INTO workers (id, boot_id, name, device, threads, memory, key_id)
    SELECT :worker_id, :boot_id, :name, :device, :threads, :memory, :key_id
    WHERE NOT EXISTS (SELECT FROM other)
    {SEEN_AGAIN}
), expected AS MATERIALIZED (
    {EXPECTED.format(columns="", trained="trials WHERE worker_id = :worker_id")}
), chosen AS (
    {WAITING_TRIALS} {{condition}}
        AND NOT EXISTS (SELECT FROM workers WHERE workers.id = :worker_id
            AND (draining OR resting_until > now() AND boot_id = :boot_id))
        AND NOT EXISTS (SELECT FROM other)
        AND NOT EXISTS (SELECT FROM leases WHERE worker_id = :worker_id)
    ORDER BY queue_rank DESC, available_at
    LIMIT 1
    FOR UPDATE OF trials SKIP LOCKED
), moved AS (
    UPDATE trials
    SET status = 'running', started_at = now(), worker = :name,
        worker_id = CAST(:worker_id AS uuid), reason = ''
    FROM chosen WHERE trials.id = chosen.id
    RETURNING trials.id, search_id, attempt, stop_at, checkpoint_attempt, checkpoint_epoch,
        CAST(:token AS uuid) AS token, worker_id, CAST(:boot_id AS uuid) AS boot_id
), {LEASED}, {BUMPED}
SELECT moved.id AS trial_id, moved.attempt, {NOTIFY_CHANGES},
    EXISTS (SELECT FROM leases WHERE worker_id = :worker_id) AS has_another,
    EXISTS (SELECT FROM other) AS is_of_another_key
FROM (SELECT) AS one LEFT JOIN moved ON true
"""
_TAKE_ANY, _TAKE_ONE = (
    PreparedStatement(_TAKE.format(condition=condition))
    for condition in (_NOT_BEFORE_EXPECTED, "AND trials.id = :trial_id")
)


def worker_row(request: LeaseRequest) -> dict[str, Any]:
    """What a worker says of itself alone, as columns."""
    return {
        "worker_id": request.worker_id,
        "boot_id": request.boot_id,
        "name": printable(request.name),
        "threads": clamped(request.threads),
    }


def kind_of(request: LeaseRequest) -> dict[str, Any]:
    """What decides which trials a worker may train, as parameters."""
    return {
        "device": printable(request.device),
        "exports": request.exports,
        "memory": clamped(rounded(request.memory), LARGEST_BIG),
    }


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
        **worker_row(request),
        **kind_of(request),
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
