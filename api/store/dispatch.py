"""Dispatch: for which waiting trials an order is due.

An order may be lost, so it is sent again while its trial waits, each time after twice the pause.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, func, or_, select, update

from api.models.searches import Search
from api.models.trials import Trial
from core.protocol.states import TRAINING_SEARCH, TrialKind, TrialStatus

PAUSE = timedelta(seconds=5)  # before the second order
_DOUBLINGS = 7  # the longest pause is 5 s × 2⁷, eleven minutes


def claim(connection: Connection, limit: int = 100) -> list[tuple[UUID, int]]:
    """The trials (id and attempt) whose orders are due, the longest waiting first.

    Each order is due again after its pause.
    """
    due = (
        select(Trial.id)
        .join(Search, Search.id == Trial.search_id)
        .where(
            Trial.status == TrialStatus.WAITING,
            Trial.ring_at <= func.now(),
            or_(Search.status.in_(TRAINING_SEARCH), Trial.kind == TrialKind.EXPORT),
        )
        .order_by(Trial.available_at)
        .limit(limit)
        .with_for_update(of=Trial, skip_locked=True)
        .cte("due")  # read once: as a subquery, a plan may run it for each trial
    )
    pause = PAUSE * func.power(2, func.least(Trial.rings, _DOUBLINGS))
    statement = (
        update(Trial)
        .where(Trial.id == due.c.id)
        .values(rings=Trial.rings + 1, ring_at=func.now() + pause)
        .returning(Trial.available_at, Trial.number, Trial.id, Trial.attempt)
    )
    rows = sorted(connection.execute(statement), key=lambda row: row[:2])
    return [(row.id, row.attempt) for row in rows]


def unsent(connection: Connection, trial_ids: list[UUID]) -> None:
    """Make orders that could not be sent due again."""
    locked = (
        select(Trial.id)
        .where(Trial.id.in_(trial_ids), Trial.status == TrialStatus.WAITING)
        .with_for_update(skip_locked=True)
    )
    connection.execute(update(Trial).where(Trial.id.in_(locked)).values(ring_at=func.now()))
