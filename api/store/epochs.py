"""Learning curves: the metrics of finished epochs."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from api.models.trials import Epoch, Trial
from api.schemas.epochs import EpochOut, EpochPage
from api.store import pages, searches, trials
from api.store.fragments import LARGEST
from api.store.keys import Caller


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """What curves show of an epoch: those of many trials are read at once."""

    trial_id: UUID
    attempt: int
    epoch: int
    validation_metric: float | None
    seconds: float


_POINT = tuple(getattr(Epoch, field.name) for field in fields(EpochPoint))


def of_trial(session: Session, caller: Caller, trial_id: UUID) -> list[EpochOut]:
    """All epochs of one trial, attempt by attempt."""
    trials.require(session, caller, trial_id)
    statement = select(Epoch).where(Epoch.trial_id == trial_id)
    rows = session.scalars(statement.order_by(Epoch.attempt, Epoch.epoch))
    return [EpochOut.of(row) for row in rows]


def of_trials(session: Session, ids: Sequence[UUID]) -> list[EpochPoint]:
    """All epochs of these trials, trial by trial."""
    statement = select(*_POINT).where(Epoch.trial_id.in_(ids))
    rows = session.execute(statement.order_by(Epoch.trial_id, Epoch.attempt, Epoch.epoch))
    return [EpochPoint(*row) for row in rows]


def page_of_trial(
    session: Session, caller: Caller, trial_id: UUID, *, limit: int, cursor: str | None = None
) -> EpochPage:
    """A page of the epochs of one trial, attempt by attempt."""
    trials.require(session, caller, trial_id)
    key = (Epoch.attempt, Epoch.epoch)
    statement = select(Epoch, *key).where(Epoch.trial_id == trial_id).order_by(*key)
    if cursor is not None:
        statement = statement.where(tuple_(*key) > _after(cursor, len(key)))
    return _page(session.execute(statement.limit(limit + 1)).all(), limit)


def page_of_search(
    session: Session, caller: Caller, search_id: UUID, *, limit: int, cursor: str | None = None
) -> EpochPage:
    """A page of the epochs of a search's trials, trial by trial."""
    searches.require(session, caller, search_id)
    key = (Trial.number, Epoch.attempt, Epoch.epoch)
    statement = select(Epoch, *key).join(Trial, Trial.id == Epoch.trial_id)
    statement = statement.where(Trial.search_id == search_id).order_by(*key)
    if cursor is not None:
        after = _after(cursor, len(key))
        # The first condition, which the second one implies, is one that an index can answer.
        statement = statement.where(Trial.number >= after[0], tuple_(*key) > after)
    return _page(session.execute(statement.limit(limit + 1)).all(), limit)


def _after(cursor: str, length: int) -> tuple[int, ...]:
    """The sort values of the last row before a page, within what the columns hold."""
    values = pages.decode(cursor, *[int] * length)
    return tuple(max(-LARGEST, min(value, LARGEST)) for value in values)


def _page(rows: Sequence[Any], limit: int) -> EpochPage:
    """A page of these epochs with their sort values; one more than `limit` if there are more.

    It begins after a key, not at a position, so that an epoch that is added, or removed, on an
    earlier page moves no other one.
    """
    shown = rows[:limit]
    following = pages.encode(*shown[-1][1:]) if len(rows) > limit else None
    return EpochPage(items=[EpochOut.of(row.Epoch) for row in shown], next_cursor=following)
