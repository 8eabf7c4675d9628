"""The training behind the weights of a trial: its own and that of its ancestors.

Children start from their parent's weights, so a network's training is that of its lineage.
Values of trials are comparable only at equal training; `with_shares` says how far each has come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.search.history import PastTrial

LEAST_SHARE = 0.005  # of the goal: values of less training are noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The training that the exported network will have had: in seconds, else in epochs."""

    seconds: float | None = None
    epochs: float | None = None


def training(trials: Sequence[PastTrial], *, in_seconds: bool) -> dict[UUID, float]:
    """Seconds or epochs of each trial's lineage, itself included, by trial id.

    An ancestor that is not among the trials counts as not trained.
    """
    total: dict[UUID, float] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):  # parents are older
        own = (trial.seconds if in_seconds else trial.epochs) or 0.0
        before = 0.0 if trial.parent_id is None else total.get(trial.parent_id, 0.0)
        total[trial.trial_id] = before + own
    return total


def with_shares(trials: Sequence[PastTrial], goal: Goal | None) -> tuple[PastTrial, ...]:
    """The trials, each with the share of the goal that its lineage was trained for."""
    if goal is None:
        return tuple(trials)
    final = goal.seconds if goal.seconds is not None else goal.epochs
    if not final:
        return tuple(trials)
    trained = training(trials, in_seconds=goal.seconds is not None)
    return tuple(
        replace(trial, share=min(1.0, max(LEAST_SHARE, trained[trial.trial_id] / final)))
        for trial in trials
    )


def continued(trials: Sequence[PastTrial]) -> set[UUID]:
    """Ids of the trials whose training another trial continues, whether that has ended or not.

    A continuation under other choices counts only if there is one under the same choices, too.
    """
    alone = unproven(trials)
    return {
        trial.parent_id
        for trial in trials
        if trial.parent_id is not None and not trial.morphisms and not trial.has_failed
        if trial.trial_id not in alone
    }


def unproven(trials: Sequence[PastTrial]) -> set[UUID]:
    """Ids of continuations under other choices without one under the same choices beside them.

    More training made them better than their parent; whether the choices did is unknown.
    """
    continuations = [(one, of) for one, of in with_parents(trials) if not one.morphisms]
    with_control = {
        of.trial_id
        for one, of in continuations
        if one.choices == of.choices and one.value is not None
    }
    return {
        one.trial_id
        for one, of in continuations
        if one.choices != of.choices and of.trial_id not in with_control
    }


def root_of(trial: PastTrial, trials: Sequence[PastTrial]) -> PastTrial:
    """The first of the trial's ancestors that is among the trials, or itself."""
    by_id = {one.trial_id: one for one in trials}
    while trial.parent_id in by_id:
        trial = by_id[trial.parent_id]
    return trial


def changed(trials: Sequence[PastTrial]) -> set[UUID]:
    """Ids of the trials whose training another trial continues under other choices."""
    return {
        of.trial_id
        for one, of in with_parents(trials)
        if not one.morphisms and one.choices != of.choices
    }


def with_parents(trials: Sequence[PastTrial]) -> Iterator[tuple[PastTrial, PastTrial]]:
    """Each trial whose parent is among the trials, with its parent."""
    by_id = {trial.trial_id: trial for trial in trials}
    for trial in trials:
        if trial.parent_id in by_id:
            yield trial, by_id[trial.parent_id]


def continuing(parent_number: int, changes: str) -> str:
    """A training continued without a morphism, in words; `changes` are its own choices, if any."""
    return f"continues trial {parent_number}" + (f" with {changes}" if changes else "")
