"""Training choices as part of what is searched: augmentation, mixing, erasing, weight decay.

The winner of the race of roots is trained on several times from the same weights and for the same
time: once as before and once with each alternative. The better one's choices are inherited by
its descendants (population-based training, Jaderberg et al. 2017, arXiv:1711.09846, with one
generation); where several gained, they are tried together as well. Where examples are few, this
matters more than layers do; where each is seen a few times only, nothing can be memorised and no
alternative is tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp

from core.protocol.contracts.training_choices import TrainingChoices
from core.search.choice import required_gain
from core.search.history import PastTrial, Suggestion
from core.search.lineage import changed
from core.search.race import chosen


def compared(
    trials: Sequence[PastTrial], alternatives: Sequence[TrainingChoices], count: int
) -> list[Suggestion]:
    """Up to `count` trainings that compare the alternatives, those that are missing.

    None while roots are still in their race, or without a winner of it.
    """
    if not alternatives:
        return []
    base = _base(trials)
    if base is None and any(trial.is_pending and not trial.morphisms for trial in trials):
        return []
    base = base or chosen(trials)
    if base is None or not base.inheritable:
        return []
    alternatives = [base.choices.with_changes(one) for one in alternatives]
    found = {
        trial.choices: trial
        for trial in trials
        if trial.parent_id == base.trial_id and not trial.morphisms
    }
    first, *others = alternatives  # a changed training marks the base, so it comes first
    missing = [one for one in (first, base.choices, *others) if one not in found]
    if not missing:
        missing = [one for one in _combined(found, base.choices) if one not in found]
    return [
        Suggestion(parent=base, architecture=base.architecture, choices=one) for one in missing
    ][:count]


def _combined(
    found: Mapping[TrainingChoices, PastTrial], usual: TrainingChoices
) -> Iterator[TrainingChoices]:
    """The changes that each gained something alone, all together; nothing unless several did."""
    limit = found[usual].validation_loss
    losses = {choices: trial.validation_loss for choices, trial in found.items()}
    if limit is None or any(trial.is_pending for trial in found.values()):
        return
    better = [
        one
        for one, loss in losses.items()
        if loss is not None and loss < limit * exp(-required_gain(found[one]))
    ]
    if len(better) > 1:
        better.sort(key=lambda one: losses[one] or 0.0, reverse=True)  # the best one's count
        merged = {name: value for one in better for name, value in one.changes.items()}
        yield TrainingChoices.model_validate(merged)


def _base(trials: Sequence[PastTrial]) -> PastTrial | None:
    """The trial whose training is continued in several ways: the winner when that began."""
    known = changed(trials)
    return next((trial for trial in trials if trial.trial_id in known), None)
