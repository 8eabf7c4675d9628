"""Continuing a trial's training without a morphism: a race of roots, and a second look at the best.

The roots are trained briefly; the better ones are trained on (successive halving, Jamieson &
Talwalkar 2016, arXiv:1502.07943), so that a network of any usual kind is in the search for the
price of a few short trainings. Before the search ends its best trials are trained on once more:
the best of many noisy values is partly luck, and a second look costs the winner nothing, as it
keeps the additional training.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.graph.architecture import Architecture
from core.search import choice
from core.search.choice import Forecast, ranked_by_forecast
from core.search.history import PastTrial, Suggestion
from core.search.lineage import continued, unproven

FINALISTS = 2


def promotions(
    trials: Sequence[PastTrial], roots: Sequence[Architecture], promoted: int, count: int
) -> list[Suggestion]:
    """Up to `count` of the `promoted` best roots, to be trained on.

    None before all roots that began have ended.
    """
    started = _starts(trials, roots)
    if any(trial.is_pending for trial in started):
        return []
    best = [one.trial for one in ranked_by_forecast(started) if one.trial.inheritable]
    known = continued(trials)
    return [continuation(trial) for trial in best[:promoted] if trial.trial_id not in known][:count]


def finalists(trials: Sequence[PastTrial], count: int) -> list[Suggestion]:
    """Up to `count` of the best trials to be looked at again, those that were not yet.

    None where one alone is best, whatever the noise.
    """
    ranked = ranked_by_forecast(without_superseded(trials), continued(trials))
    best = [one.trial for one in ranked if one.is_contender and one.trial.inheritable]
    if len(best) < 2:
        return []
    return [
        continuation(trial)
        for trial in best[:FINALISTS]
        if trial.morphisms or trial.parent_id is None
    ][:count]


def is_settled(trials: Sequence[PastTrial], patience: int, best: PastTrial | None = None) -> bool:
    """Whether that many children have ended since the present winner without taking its place.

    The winner is that of `chosen` unless `best` is given.
    """
    best = best or chosen(trials)
    if best is None:
        return False
    later = [
        trial
        for trial in trials
        if trial.morphisms and not trial.is_pending and trial.number > _first_of(best, trials)
    ]
    return len(later) >= patience


def _first_of(trial: PastTrial, trials: Sequence[PastTrial]) -> int:
    """The number of the trial in which the architecture of this one was first trained."""
    by_id = {one.trial_id: one for one in trials}
    while not trial.morphisms and trial.parent_id in by_id:
        trial = by_id[trial.parent_id]
    return trial.number


def without_superseded(trials: Sequence[PastTrial]) -> tuple[PastTrial, ...]:
    """The trials, some of them no parents any more: their values stay as observations.

    A trial that another one continues is replaced by that one. A root that lost the race has too
    little training to be a parent or to win; a user's network is not in the race. The same holds
    for a training under other choices while no training went on under the choices before.
    """
    alone = unproven(trials)
    ended = [one for one in trials if not one.is_pending and one.trial_id not in alone]
    gone = continued(ended) | alone
    continuing = [one for one in ended if one.parent_id and not one.morphisms]
    first = min((one.number for one in continuing if not one.has_failed), default=0)
    racing = [one for one in ended if one.parent_id is None and one.network_id is None]
    lost = {one.trial_id for one in racing if one.number < first}
    return tuple(
        replace(trial, inheritable=trial.inheritable and trial.trial_id not in gone | lost)
        for trial in trials
    )


def chosen(trials: Sequence[PastTrial]) -> PastTrial | None:
    """The winner among the trials that have not been superseded; None where none has a value."""
    return next(iter(ranked(trials)), None)


def ranked(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The trials that have not been superseded and have a value, the winner first."""
    return [one.trial for one in forecasts(trials)]


def forecasts(trials: Sequence[PastTrial]) -> list[Forecast]:
    """What is expected of the trials of `ranked` after the final training, in the same order."""
    return choice.forecasts(without_superseded(trials))


def _starts(trials: Sequence[PastTrial], roots: Sequence[Architecture]) -> list[PastTrial]:
    names = {root.fingerprint for root in roots}
    return [
        trial
        for trial in trials
        if trial.parent_id is None and trial.architecture.fingerprint in names
    ]


def continuation(trial: PastTrial) -> Suggestion:
    """The trial's network, to be trained on as it is."""
    return Suggestion.child(trial, (), trial.architecture)
