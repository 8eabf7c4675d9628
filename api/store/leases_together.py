"""Leases of several workers in one statement and one commit.

The workers of a statement are of one kind: the same trials fit them. The first trials of the queue
are locked, as many as there are workers, and each worker gets one. Workers whose last search is
about to have another trial come first, as they want trials of no lower priority. So each gets what
it would have got by itself, had they asked in this order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from api.priorities import RANKS
from api.store.fragments import BUMPED, NOTIFY_CHANGES
from api.store.leases import (
    EXPECTED,
    LEASED,
    SEEN_AGAIN,
    WAITING_TRIALS,
    Held,
    kind_of,
    worker_row,
)
from api.store.prepared import PreparedStatement
from api.store.together import MOST, as_json
from core.protocol.contracts.leases import LeaseRequest


@dataclass(frozen=True, slots=True)
class LeaseCall:
    """A request for any trial, and the key that it came with."""

    request: LeaseRequest
    key_id: UUID | None = None


_LAST_TRIALS = "trials JOIN usual USING (worker_id) WHERE true"
# Left out are workers that are known by another key, that drain or rest, or that have a lease. Of
# those that wait for a trial of some rank, some may get none: then `skipped`, which is how many of
# the workers before got none, moves the others up the queue.
_TAKE = PreparedStatement(f"""
WITH calls AS (
    SELECT * FROM json_to_recordset(CAST(:calls AS json)) AS given(number integer,
        worker_id uuid, boot_id uuid, name varchar, threads integer, token uuid, key_id uuid)
    WHERE number BETWEEN 1 AND {MOST} LIMIT {MOST}
), usual AS MATERIALIZED (
    SELECT calls.* FROM calls LEFT JOIN workers ON workers.id = worker_id
    WHERE (workers.id IS NULL OR workers.key_id IS NOT DISTINCT FROM calls.key_id
            AND NOT draining AND (resting_until IS NULL OR resting_until <= now()))
        AND NOT EXISTS (SELECT FROM leases WHERE leases.worker_id = calls.worker_id)
), seen AS (
    INSERT INTO workers (id, boot_id, name, device, threads, memory, key_id)
    SELECT worker_id, boot_id, name, :device, threads, :memory, key_id
    FROM usual ORDER BY worker_id
    {SEEN_AGAIN}
), expected AS (
    {EXPECTED.format(columns="worker_id,", trained=_LAST_TRIALS)}
), asking AS MATERIALIZED (
    SELECT usual.*, least_rank, row_number() OVER (ORDER BY least_rank DESC, number) AS turn
    FROM usual CROSS JOIN LATERAL (
        SELECT coalesce(max(queue_rank), {min(RANKS.values())}) AS least_rank FROM expected
        WHERE expected.worker_id = usual.worker_id) AS bound
), chosen AS (
    {WAITING_TRIALS}
        AND trials.queue_rank >= (SELECT min(least_rank) FROM asking)
    ORDER BY queue_rank DESC, available_at
    LIMIT (SELECT count(*) FROM asking)
    FOR UPDATE OF trials SKIP LOCKED
), offered AS (
    SELECT *, row_number() OVER (ORDER BY queue_rank DESC, available_at) AS turn FROM chosen
), ranks AS (
    SELECT least_rank, greatest(0, max(workers - trials) OVER (
        ORDER BY least_rank DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS skipped
    FROM (
        SELECT least_rank, sum(count(*)) OVER (ORDER BY least_rank DESC) AS workers,
            (SELECT count(*) FROM chosen WHERE queue_rank >= least_rank) AS trials
        FROM asking GROUP BY least_rank) AS counted
), paired AS (
    SELECT offered.id, stop_at, worker_id, boot_id, name, token
    FROM asking JOIN ranks USING (least_rank) JOIN offered ON offered.turn = asking.turn - skipped
    WHERE queue_rank >= least_rank
), moved AS (
    UPDATE trials
    SET status = 'running', started_at = now(), worker = paired.name,
        worker_id = paired.worker_id, reason = ''
    FROM paired WHERE trials.id = paired.id
    RETURNING trials.id, search_id, attempt, stop_at, checkpoint_attempt, checkpoint_epoch,
        token, trials.worker_id, boot_id
), {LEASED}, {BUMPED}
SELECT asking.worker_id, moved.id AS trial_id, moved.attempt, asking.token, {NOTIFY_CHANGES}
FROM asking LEFT JOIN moved ON moved.worker_id = asking.worker_id
""")


def take(
    connection: Connection, calls: Sequence[LeaseCall], lease: timedelta
) -> dict[UUID, Held | None]:
    """The leases of workers of one kind by their ids, None where no trial waits for the worker.

    Their requests differ in ids, names, threads and boots alone (`by_kind`). Workers that are not
    in the answer were left out: nothing was done for them.
    """
    rows = (
        worker_row(call.request) | {"number": number, "token": uuid4(), "key_id": call.key_id}
        for number, call in enumerate(calls, start=1)
    )
    values = kind_of(calls[0].request) | {"calls": as_json(rows), "lease": lease}
    return {row.worker_id: _held(row) for row in _TAKE.rows(connection, values)}


def _held(row: Any) -> Held | None:
    return None if row.trial_id is None else Held(row.trial_id, row.attempt, row.token)


def by_kind(calls: Iterable[LeaseCall]) -> list[list[LeaseCall]]:
    """The calls by what decides which trials a worker may train; of each worker its first."""
    first: dict[UUID, LeaseCall] = {}
    for call in calls:
        first.setdefault(call.request.worker_id, call)
    groups: dict[tuple[Any, ...], list[LeaseCall]] = {}
    for call in first.values():
        groups.setdefault(tuple(kind_of(call.request).values()), []).append(call)
    return list(groups.values())
