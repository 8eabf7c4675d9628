"""The interface of strategies, and random morphs, which several of them use."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from core.morphisms import legal, sample
from core.registry import Registry
from core.search.history import USUAL, PastTrial, Suggestion, SuggestRequest

_TRIES = 50  # random parents before all morphisms are tried in turn
_DRAWN = 4  # random morphisms of one parent


class AbstractStrategy(ABC):
    """How a search searches; the fields of a strategy are its options."""

    __slots__ = ()

    inherits: ClassVar[bool] = True  # whether networks start with their parents' weights

    @abstractmethod
    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        """Up to `request.count` new architectures, fewer only where no more are left.

        An equal request, its generator in the same state, has the same answer.
        """


STRATEGIES: Registry[AbstractStrategy] = Registry("strategy")


def random_morphs(
    request: SuggestRequest, parents: Sequence[PastTrial], found: Sequence[Suggestion] = ()
) -> list[Suggestion]:
    """New random morphs of random parents: as many as the request asks for beside those found."""
    known = request.fingerprints | {one.architecture.fingerprint for one in found}
    more: dict[str, Suggestion] = {}
    for one in _random_children(request, parents):
        if len(found) + len(more) >= request.count:
            break
        name = one.architecture.fingerprint
        if name not in known:
            more.setdefault(name, one)
    return list(more.values())


def _random_children(request: SuggestRequest, parents: Sequence[PastTrial]) -> Iterator[Suggestion]:
    """Random children; in the end every child there is, so that nothing new is overlooked."""
    if not parents:
        return
    rng, bounds = request.rng, request.bounds
    for _ in range(_TRIES):
        parent = parents[int(rng.integers(len(parents)))]
        for morphism, child in sample(parent.architecture, bounds, rng, _DRAWN):
            yield Suggestion.child(parent, (morphism,), child)
    for parent in parents:
        for morphism in legal(parent.architecture, bounds):
            yield Suggestion.child(parent, (morphism,), morphism.apply(parent.architecture))


def ranked(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The trials by descending value, those without one last; of equal ones the older first."""
    return sorted(
        trials, key=lambda trial: (trial.value is None, -(trial.value or 0.0), trial.number)
    )


def morphs_in_turn(
    request: SuggestRequest, parents: Sequence[PastTrial], found: Sequence[Suggestion] = ()
) -> list[Suggestion]:
    """New random morphs of the first parent; where it has no more, of the second; and so on.

    As many as the request asks for beside those found.
    """
    more: list[Suggestion] = []
    for parent in parents:
        if len(found) + len(more) >= request.count:
            break
        more += random_morphs(request, [parent], [*found, *more])
    return more


def without_parent(suggestion: Suggestion) -> Suggestion:
    """The same architecture as a root of the lineage, its weights started at random."""
    return replace(suggestion, parent=None, morphisms=(), choices=USUAL)
