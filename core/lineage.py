"""How much training stands behind the weights of a trial: its own and that of its ancestors.

Children start from their parent's weights, so a network's training is that of its whole lineage.
Values of trials are comparable only at equal training; `with_shares` says how far each has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.history import Seen

LEAST_SHARE = 0.005  # of the goal: values of less training are noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The training that the exported network will have had: in seconds, else in epochs."""

    seconds: float | None = None
    epochs: float | None = None


def training(trials: Sequence[Seen], *, in_seconds: bool) -> dict[UUID, float]:
    """Seconds or epochs of each trial's lineage, itself included, by trial id.

    An ancestor that is not among the trials counts as not trained.
    """
    total: dict[UUID, float] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):  # parents are older
        own = (trial.seconds if in_seconds else trial.epochs) or 0.0
        before = 0.0 if trial.parent_id is None else total.get(trial.parent_id, 0.0)
        total[trial.trial_id] = before + own
    return total


def with_shares(trials: Sequence[Seen], goal: Goal | None) -> tuple[Seen, ...]:
    """The trials, each with the share of the goal that its lineage was trained for."""
    if goal is None:
        return tuple(trials)
    whole = goal.seconds if goal.seconds is not None else goal.epochs
    if not whole:
        return tuple(trials)
    trained = training(trials, in_seconds=goal.seconds is not None)
    return tuple(
        replace(trial, share=min(1.0, max(LEAST_SHARE, trained[trial.trial_id] / whole)))
        for trial in trials
    )


def continued(trials: Sequence[Seen]) -> set[UUID]:
    """Ids of the trials whose training another one goes on with, whether that has ended or not."""
    return {
        trial.parent_id
        for trial in trials
        if trial.parent_id is not None and not trial.morphisms and not trial.has_failed
    }


def root_of(trial: Seen, trials: Sequence[Seen]) -> Seen:
    """The first of the trial's ancestors that is among the trials, or itself."""
    by_id = {one.trial_id: one for one in trials}
    while trial.parent_id in by_id:
        trial = by_id[trial.parent_id]
    return trial


def changed(trials: Sequence[Seen]) -> set[UUID]:
    """Ids of the trials whose training another one goes on with under other choices."""
    choices = {trial.trial_id: trial.choices for trial in trials}
    return {
        trial.parent_id
        for trial in trials
        if trial.parent_id in choices
        and not trial.morphisms
        and trial.choices != choices[trial.parent_id]
    }
