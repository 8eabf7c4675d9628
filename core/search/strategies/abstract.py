"""What every strategy is: it looks at the history and says what to try next."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from core.morphisms import legal, sample
from core.protocol.contracts import Bounds
from core.registry import Registry
from core.search.history import Draft, PastTrial

_TRIES = 50  # random draws before every morphism is looked at in turn
_DRAWN = 4  # morphisms of one draw


class AbstractStrategy(ABC):
    """How a search searches; the fields of a strategy are its options."""

    __slots__ = ()

    inherits: ClassVar[bool] = True  # whether its networks start with their parents' weights

    @abstractmethod
    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        """Up to `count` new architectures, fewer only where no more are left.

        `completed` are trials that ended, infeasible ones included; `pending` are still to come
        and must not be suggested again. The same arguments give the same answer.
        """


STRATEGIES: Registry[AbstractStrategy] = Registry("strategy")


def fingerprints(*trials: Sequence[PastTrial]) -> frozenset[str]:
    """The architectures of all these trials."""
    return frozenset(trial.architecture.fingerprint for some in trials for trial in some)


def random_morphs(
    parents: Sequence[PastTrial],
    excluded: frozenset[str],
    bounds: Bounds,
    count: int,
    rng: np.random.Generator,
) -> list[Draft]:
    """Up to `count` different random morphs of random parents, none of them excluded.

    A parent without weights makes a start of its own: its morph keeps no parent.
    """
    found: dict[str, Draft] = {}
    for draft in _random_drafts(parents, bounds, rng):
        if len(found) >= count:
            break
        name = draft.architecture.fingerprint
        if name not in excluded:
            found.setdefault(name, draft)
    return list(found.values())


def _random_drafts(
    parents: Sequence[PastTrial], bounds: Bounds, rng: np.random.Generator
) -> Iterator[Draft]:
    """Random morphs; in the end every morph there is, so that nothing new is overlooked."""
    if not parents:
        return
    for _ in range(_TRIES):
        parent = parents[int(rng.integers(len(parents)))]
        for morphism, child in sample(parent.architecture, bounds, rng, _DRAWN):
            yield Draft(parent=parent, morphisms=(morphism,), architecture=child)
    for parent in parents:
        for morphism in legal(parent.architecture, bounds):
            child = morphism.apply(parent.architecture)
            yield Draft(parent=parent, morphisms=(morphism,), architecture=child)


def parents_of(completed: Sequence[PastTrial], pending: Sequence[PastTrial]) -> list[PastTrial]:
    """Who may have children: trials with weights; where there are none, all trials."""
    return [trial for trial in completed if trial.inheritable] or [*completed, *pending]


def ranked(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The trials from the best value to the worst, those without one last, older ones first."""
    return sorted(
        trials, key=lambda trial: (trial.value is None, -(trial.value or 0.0), trial.number)
    )


def morphs_in_turn(
    parents: Sequence[PastTrial],
    excluded: frozenset[str],
    bounds: Bounds,
    count: int,
    rng: np.random.Generator,
) -> list[Draft]:
    """Random morphs of the first parent; where it has no more, of the second; and so on."""
    found: list[Draft] = []
    for parent in parents:
        if len(found) == count:
            break
        known = excluded | {draft.architecture.fingerprint for draft in found}
        found += random_morphs([parent], known, bounds, count - len(found), rng)
    return found
