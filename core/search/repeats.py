"""Trials repeated on other validation splits, where one split has too few examples to judge by.

A root, and each training that continues it unchanged or under other training choices, is trained
once on every split, each time for a part of the time. A repeat continues the repeat of its
parent's training on the same split, so no network is ever validated on examples that it was
trained on. Descendants by morphisms continue the training on the first split alone.

The values over several random splits are averaged (Monte Carlo cross-validation, Picard & Cook
1984, doi:10.1080/01621459.1984.10478083): the trial on the first split gets the means of value and
loss, and its repeats are left out of all further decisions.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from uuid import UUID

from core.search.history import PastTrial, Suggestion
from core.search.lineage import Goal, with_parents, with_shares

_Repeats = dict[UUID, dict[int, PastTrial]]  # by first trial and seed of the split


def missing_repeats(
    trials: Sequence[PastTrial], split_seeds: Sequence[int], count: int
) -> list[Suggestion]:
    """Up to `count` repeats that have not been suggested yet, in the order of their originals."""
    if not split_seeds:
        return []
    repeats = _repeats(trials)
    return [
        suggestion
        for trial in _originals(trials)
        for seed in split_seeds
        if seed not in repeats[trial.trial_id]
        for suggestion in _repeat(trial, seed, repeats)
    ][:count]


def pooled(trials: Sequence[PastTrial]) -> tuple[PastTrial, ...]:
    """The trials, those with repeats with the means of value and loss; repeats with a value go.

    A trial without a value keeps none, and its repeats stand for themselves.
    """
    repeats = _repeats(trials)
    found, gone = {}, set()
    for trial in trials:
        measured = _measured(repeats[trial.trial_id])
        if measured and trial.value is not None:
            found[trial.trial_id] = _mean([trial, *measured])
            gone |= {one.trial_id for one in measured}
    return tuple(found.get(one.trial_id, one) for one in trials if one.trial_id not in gone)


def comparable(trials: Sequence[PastTrial], goal: Goal | None) -> tuple[PastTrial, ...]:
    """The trials with their shares of the goal's training, repeats pooled: to choose a winner.

    Other training choices that were not tried on as many splits as the usual ones do not compete.
    """
    repeats = _repeats(trials)
    incomplete = {
        trial.trial_id
        for trial, parent in with_parents(trials)
        if trial.choices != parent.choices and not trial.morphisms
        if len(_measured(repeats[trial.trial_id])) < len(_measured(repeats[parent.trial_id]))
    }
    incomplete |= {one.trial_id for first in incomplete for one in repeats[first].values()}
    return pooled([one for one in with_shares(trials, goal) if one.trial_id not in incomplete])


def _measured(repeats: dict[int, PastTrial]) -> list[PastTrial]:
    return [one for one in repeats.values() if one.value is not None]


def _originals(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The trials to be repeated: on the first split, without morphisms, and not failed.

    Those of users' networks are not, as their repeats would not have the user's weights.
    """
    return [
        trial
        for trial in trials
        if trial.choices.split_seed is None and not trial.morphisms and not trial.has_failed
        if trial.network_id is None
    ]


def _repeat(trial: PastTrial, seed: int, repeats: _Repeats) -> Iterator[Suggestion]:
    """The trial's training on another split; nothing where there is no parent to continue."""
    choices = trial.choices.model_copy(update={"split_seed": seed})
    if trial.parent_id is None:
        yield Suggestion(architecture=trial.architecture, choices=choices)
        return
    parent = repeats.get(trial.parent_id, {}).get(seed)
    if parent is not None and parent.inheritable and not parent.is_pending:
        yield Suggestion(parent=parent, architecture=trial.architecture, choices=choices)


def _repeats(trials: Sequence[PastTrial]) -> _Repeats:
    """The repeats of each trial, by the seed of their split."""
    by_key = {_key(one, one.parent_id): one.trial_id for one in _originals(trials)}
    first: dict[UUID | None, UUID | None] = {}  # the original that each trial repeats, or itself
    found: _Repeats = defaultdict(dict)
    for trial in sorted(trials, key=lambda one: one.number):  # parents are older
        seed = trial.choices.split_seed
        first[trial.trial_id] = trial.trial_id
        if seed is None or trial.morphisms:
            continue
        original = by_key.get(_key(trial, first.get(trial.parent_id)))
        if original is not None:
            first[trial.trial_id] = original
            found[original][seed] = trial
    return found


def _key(trial: PastTrial, parent_id: UUID | None) -> tuple[object, ...]:
    """What a trial and its repeats have in common, given the original of its parent."""
    choices = trial.choices.model_copy(update={"split_seed": None})
    return parent_id, trial.architecture.fingerprint, choices


def _mean(trials: Sequence[PastTrial]) -> PastTrial:
    """The first trial with the mean value and loss of all; they are independent of each other."""
    first, count = trials[0], len(trials)
    values = [one.value for one in trials if one.value is not None]
    losses = [one.validation_loss for one in trials if one.validation_loss is not None]
    stds = [one.value_std for one in trials if one.value_std is not None]
    return replace(
        first,
        value=fmean(values),
        value_std=math.hypot(*stds) / count if len(stds) == count else first.value_std,
        validation_loss=fmean(losses) if len(losses) == count else first.validation_loss,
    )
