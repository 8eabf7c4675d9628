"""Calls of several workers in one statement, so that they cost one round trip and one commit.

A statement gets its calls as JSON, and returns a row for each trial for which it did something. It
waits for no lease that another transaction has locked, and it locks what it changes in the order of
ids: two batches never wait for each other. What it leaves out is carried out alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from api.store.fragments import LARGEST, clamped
from api.store.prepared import PreparedStatement
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.reports import EpochReport, Heartbeat
from core.protocol.contracts.results import TrialResult

Fenced = Heartbeat | EpochReport | CheckpointReport | TrialResult
R = TypeVar("R")
T = TypeVar("T")

MOST = 32  # calls of a statement; more would hold their locks for longer

#: How a statement locks the leases of its calls: in a batch, and of a call that is alone.
SKIPPING, WAITING = "SKIP LOCKED", ""

#: The columns by which a call names its lease.
LEASE = {"trial_id": "uuid", "attempt": "integer", "token": "uuid"}


def both_ways(statement: str) -> dict[str, PreparedStatement]:
    """The statement for a batch and that for a call that is alone, which differ in `{locked}`."""
    return {
        locked: PreparedStatement(statement.replace("{locked}", locked))
        for locked in (SKIPPING, WAITING)
    }


def as_rows(columns: Mapping[str, str]) -> str:
    """A CTE `calls` with a row for each call of `:calls`; `columns` are types by names.

    Each attempt is between the bounds. They let the planner expect few rows: for the hundred that
    it expects of JSON, it would read all leases.
    """
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"""
calls AS (
    SELECT * FROM json_to_recordset(CAST(:calls AS json)) AS given({listed})
    WHERE attempt BETWEEN 1 AND {LARGEST} LIMIT {MOST}
)"""


def first_of_each_trial(calls: Iterable[tuple[UUID, R]]) -> dict[UUID, R]:
    """The calls by their trials; a statement can change a row only once."""
    first: dict[UUID, R] = {}
    for trial_id, report in calls:
        first.setdefault(trial_id, report)
    return first


def fence(trial_id: UUID, report: Fenced) -> dict[str, Any]:
    """The lease that a report names, as columns of its call."""
    return {"trial_id": trial_id, "attempt": clamped(report.attempt), "token": report.token}


def as_json(calls: Iterable[Mapping[str, Any]]) -> str:
    """The value of `:calls`; ids are written as text."""
    return json.dumps(list(calls), default=str, allow_nan=False)


def in_order(calls: Sequence[tuple[UUID, R]], answers: Mapping[UUID, T]) -> list[T | None]:
    """The answers of trials in the order of their calls.

    None for a call that was left out, so also for the second one for the same trial.
    """
    left = dict(answers)
    return [left.pop(trial_id, None) for trial_id, _ in calls]
