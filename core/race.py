"""Continuing a trial's training without a morphism: a race of roots, and a second look at the best.

The roots are trained briefly; the better half of them is trained on (successive halving, Jamieson
& Talwalkar 2016, arXiv:1502.07943), so that a network of any usual kind is in the search for the
price of a few short trainings. Before the search ends its best trials are trained on once more:
the best of many noisy values is partly luck, and a second look costs the winner nothing, as it
keeps the training.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.architecture import Architecture
from core.choice import ranked_by_forecast, winner
from core.history import Draft, Seen
from core.lineage import continued

FINALISTS = 2
LEAST_PROMOTED = 2  # roots: the first look at a network is short


def promotions(trials: Sequence[Seen], roots: Sequence[Architecture], count: int) -> list[Draft]:
    """Up to `count` roots to be trained on, once all of several roots have ended."""
    started = _starts(trials, roots)
    if len(roots) < 2 or any(trial.is_pending for trial in started):
        return []
    best = [one.trial for one in ranked_by_forecast(started) if one.trial.inheritable]
    promoted = best[: max(LEAST_PROMOTED, len(best) // 2)]
    known = continued(trials)
    return [_continue(trial) for trial in promoted if trial.trial_id not in known][:count]


def finalists(trials: Sequence[Seen], count: int) -> list[Draft]:
    """Up to `count` of the best trials to be looked at again, those that were not yet.

    None where one alone is best, whatever the noise.
    """
    known = continued(trials)
    ranked = ranked_by_forecast(trials, known)
    best = [one.trial for one in ranked if one.is_contender and one.trial.inheritable]
    if len(best) < 2:
        return []
    return [
        _continue(trial) for trial in best[:FINALISTS] if trial.morphisms or trial.parent_id is None
    ][:count]


def is_settled(trials: Sequence[Seen], patience: int) -> bool:
    """Whether that many children have ended since the present winner without taking its place."""
    best = winner(trials)
    if best is None:
        return False
    later = [
        trial
        for trial in trials
        if trial.morphisms and not trial.is_pending and trial.number > _first_of(best, trials)
    ]
    return len(later) >= patience


def _first_of(trial: Seen, trials: Sequence[Seen]) -> int:
    """The number of the trial in which the architecture of this one was first trained."""
    by_id = {one.trial_id: one for one in trials}
    while not trial.morphisms and trial.parent_id in by_id:
        trial = by_id[trial.parent_id]
    return trial.number


def without_superseded(trials: Sequence[Seen], roots: Sequence[Architecture]) -> tuple[Seen, ...]:
    """The trials, some of them no parents any more: their values stay as observations.

    A trial that another one continues has given its place to that one; a root that lost the race
    is too little trained to start from.
    """
    ended = [trial for trial in trials if not trial.is_pending]
    gone = continued(ended)
    lost = {trial.trial_id for trial in _starts(ended, roots)} if gone else set()
    return tuple(
        replace(trial, inheritable=trial.inheritable and trial.trial_id not in gone | lost)
        for trial in trials
    )


def _starts(trials: Sequence[Seen], roots: Sequence[Architecture]) -> list[Seen]:
    names = {root.fingerprint for root in roots}
    return [
        trial
        for trial in trials
        if trial.parent_id is None and trial.architecture.fingerprint in names
    ]


def _continue(trial: Seen) -> Draft:
    return Draft(parent=trial, morphisms=(), architecture=trial.architecture)
