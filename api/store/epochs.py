"""Learning curves: the metrics of finished epochs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.models import Epoch, Trial
from api.schemas import EpochOut
from api.store import searches, trials
from api.store.keys import Caller


def of_trial(session: Session, caller: Caller, trial_id: UUID) -> list[EpochOut]:
    """All epochs of one trial, attempt by attempt."""
    trials.require(session, caller, trial_id)
    statement = select(Epoch).where(Epoch.trial_id == trial_id)
    rows = session.scalars(statement.order_by(Epoch.attempt, Epoch.epoch))
    return [EpochOut.of(row) for row in rows]


def of_trials(session: Session, ids: Sequence[UUID]) -> list[EpochOut]:
    """All epochs of these trials, trial by trial."""
    statement = select(Epoch).where(Epoch.trial_id.in_(ids))
    rows = session.scalars(statement.order_by(Epoch.trial_id, Epoch.attempt, Epoch.epoch))
    return [EpochOut.of(row) for row in rows]


def of_search(session: Session, caller: Caller, search_id: UUID) -> list[EpochOut]:
    """All epochs of a search's trials, trial by trial."""
    searches.require(session, caller, search_id)
    statement = (
        select(Epoch)
        .join(Trial, Trial.id == Epoch.trial_id)
        .where(Trial.search_id == search_id)
        .order_by(Trial.number, Epoch.attempt, Epoch.epoch)
    )
    return [EpochOut.of(row) for row in session.scalars(statement)]
