"""The trials that are being trained now, and how far each of them is."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.models.trials import Epoch, Trial
from api.schemas.trials import TrialOut
from api.store import trials
from core.protocol.states import TrialStatus
from core.search.trial_training import TIMED_EPOCHS


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial under a lease."""

    trial: TrialOut
    planned_epochs: int | None  # it may end earlier; None until that is known
    seconds_left: float | None  # of its training at most; None before its first epoch


def of_search(session: Session, search_id: UUID) -> list[RunningTrial]:
    """The running trials of a search that the caller may see, by number."""
    spent = (
        select(func.max(Epoch.seconds))
        .where(Epoch.trial_id == Trial.id, Epoch.attempt == Trial.attempt)
        .scalar_subquery()
    )
    statement = select(
        Trial.id,
        Trial.hyperparameters["epochs"].as_integer().label("epochs"),
        Trial.hyperparameters["max_seconds"].as_float().label("max_seconds"),
        spent.label("seconds"),
    ).where(Trial.search_id == search_id, Trial.status == TrialStatus.RUNNING)
    rows = {row.id: row for row in session.execute(statement)}
    found = []
    for trial in trials.some(session, search_id, list(rows)):
        row = rows[trial.id]
        planned = _planned(trial.epochs, row.epochs, row.seconds, row.max_seconds)
        left = _seconds_left(trial.epochs, row.epochs, row.seconds, row.max_seconds)
        found.append(RunningTrial(trial, planned, left))
    return found


def _planned(
    epochs: int, planned: int | None, seconds: float | None, most: float | None
) -> int | None:
    """The epochs of the training: at the pace so far, where seconds limit it."""
    if planned is None or most is None:
        return planned
    if not epochs or not seconds:
        return None if planned == TIMED_EPOCHS else planned
    return min(planned, max(epochs, round(epochs * most / seconds)))


def _seconds_left(
    epochs: int, planned: int | None, seconds: float | None, most: float | None
) -> float | None:
    """The time of the remaining epochs at the pace so far, within the limit of the training."""
    if not epochs or planned is None or seconds is None:
        return None
    left = max(0, planned - epochs) * seconds / epochs
    return left if most is None else max(0.0, min(left, most - seconds))
