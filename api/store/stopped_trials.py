"""Trials that a user stops, while their search goes on."""

from uuid import UUID

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from api.models.trials import Trial
from api.schemas.trials import TrialDetail
from api.store import clock, trials
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.notifications import changed
from core.protocol.states import LIVE_TRIAL, TrialKind, TrialStatus


def stop(session: Session, caller: Caller, trial_id: UUID) -> TrialDetail:
    """Stop a trial: a waiting one at once, a running one at the next report of its worker.

    It keeps what it has measured, and its search goes on. Nothing changes where it is stopped.

    Raises:
        Conflict: it has ended in another way, or it is the final fit.
    """
    trials.require_change(session, caller, trial_id)
    if not _stop(session, f"stopped by {caller.name}", trial_id):
        row = session.execute(
            select(Trial.number, Trial.status, Trial.kind).where(Trial.id == trial_id)
        ).one()
        if row.kind != TrialKind.SEARCH:
            raise Conflict("a final fit cannot be stopped alone: stop its search")
        if row.status != TrialStatus.STOPPED:
            raise Conflict(
                f"trial {row.number} is {row.status}; expected one that is waiting or running"
            )
    return trials.get(session, caller, trial_id)


def _stop(session: Session, reason: str, trial_id: UUID) -> bool:
    """Stop a waiting trial, note for a running one that it is to stop; False for any other."""
    waits = Trial.status == TrialStatus.WAITING
    statement = (
        update(Trial)
        .where(
            Trial.id == trial_id,
            Trial.kind == TrialKind.SEARCH,
            Trial.status.in_(LIVE_TRIAL),
        )
        .values(
            stopping=reason,
            status=case((waits, TrialStatus.STOPPED), else_=Trial.status),
            reason=case((waits, reason), else_=Trial.reason),
            ended_at=case((waits, clock.end_of(Trial)), else_=Trial.ended_at),
        )
        .returning(Trial.search_id)
    )
    search_id = session.scalars(statement).one_or_none()
    if search_id is not None:
        changed(session, search_id)
    return search_id is not None
