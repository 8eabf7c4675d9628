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
from core.choice import ranked_by_forecast
from core.history import Draft, Seen
from core.lineage import continued

FINALISTS = 2


def promotions(trials: Sequence[Seen], roots: Sequence[Architecture], count: int) -> list[Draft]:
    """Up to `count` roots to be trained on, once all of several roots have ended."""
    started = _starts(trials, roots)
    if len(roots) < 2 or any(trial.is_pending for trial in started):
        return []
    best = [one.trial for one in ranked_by_forecast(started) if one.trial.inheritable]
    promoted = best[: max(1, len(best) // 2)]
    known = continued(trials)
    return [_continue(trial) for trial in promoted if trial.trial_id not in known][:count]


def finalists(trials: Sequence[Seen], count: int) -> list[Draft]:
    """Up to `count` of the best trials to be looked at again, those that were not yet."""
    known = continued(trials)
    best = [one.trial for one in ranked_by_forecast(trials, known) if one.trial.inheritable]
    return [
        _continue(trial) for trial in best[:FINALISTS] if trial.morphisms or trial.parent_id is None
    ][:count]


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
