"""One step of a search: from a snapshot of its history to the next suggestions.

Pure: the same snapshot has the same answer, so that a controller which died after asking may ask
again. The generator of a step comes from the search's seed and the number of its first new trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import SearchSettled, SpaceExhausted
from core.graph.architecture import Architecture
from core.graph.bounds import ExceededMemory, measured_bounds
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost
from core.protocol.contracts.training_choices import TrainingChoices
from core.search import keeping
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.keeping import KeptValue, kept_value
from core.search.lineage import Goal, with_shares
from core.search.race import (
    FINALISTS,
    continuation,
    finalists,
    is_settled,
    promotions,
    without_superseded,
)
from core.search.repeats import missing_repeats, pooled
from core.search.strategies import STRATEGIES, strategy
from core.search.tuning import compared

if TYPE_CHECKING:
    from core.surrogate.prior_mean import PriorMean

__all__ = ["PastTrial", "Snapshot", "Suggestion", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a step may depend on."""

    seed: int
    next_number: int  # of the next trial
    count: int  # suggestions requested
    strategy: str
    strategy_options: Mapping[str, float | str | bool]
    roots: tuple[Architecture, ...]
    bounds: Bounds
    trials: tuple[PastTrial, ...]  # every earlier trial, whatever its status
    cost: Cost | None = None  # to minimise alongside the metric
    goal: Goal | None = None  # the training of the final network; None: values are comparable
    example_seconds: float | None = None  # of training, at most; None: no limit
    promoted: int = 2  # roots that are trained on after their first short training
    split_seeds: tuple[int, ...] = ()  # of the splits on which the first trials are repeated
    alternatives: tuple[TrainingChoices, ...] = ()  # to be tried on the winner of the race
    patience: int | None = None  # see `core.search.pace.patience`; None: all trials are made
    remaining: int | None = None  # trials that can still be started; None: not known
    prior_mean: "PriorMean | None" = None  # learned from finished searches
    exceeded_memory: ExceededMemory | None = None  # learned from all searches; None: nothing is
    keeps_value: bool = False  # look for less cost at the value of the first root


def step(snapshot: Snapshot) -> tuple[Suggestion, ...]:
    """The next suggestions: the roots, then the better of them again, then those of the strategy.

    The last trials of a search continue its best networks. There is at least one suggestion and
    at most `count`; an architecture comes again only to continue a trial's training.

    Raises:
        SpaceExhausted: every reachable architecture within the bounds has been tried.
        SearchSettled: further trials would only take time from the final fit.
    """
    snapshot = replace(snapshot, trials=with_shares(snapshot.trials, snapshot.goal))
    known = {trial.architecture.fingerprint for trial in snapshot.trials}
    found = [
        Suggestion(architecture=root) for root in snapshot.roots if root.fingerprint not in known
    ][: snapshot.count]
    if not found and snapshot.goal is not None and STRATEGIES[snapshot.strategy].inherits:
        found = missing_repeats(snapshot.trials, snapshot.split_seeds, snapshot.count)
        snapshot = replace(snapshot, trials=pooled(snapshot.trials))
        found = found or _continuations(snapshot)
    if not found:
        found = _by_strategy(snapshot)
    if not found:
        raise SpaceExhausted(
            f"every architecture within the bounds that can be reached from the "
            f"{len(snapshot.trials)} trials has been tried{_left_out_in_words(snapshot)}"
        )
    return tuple(_inheriting(one) for one in found)


def _continuations(snapshot: Snapshot) -> list[Suggestion]:
    """Trials whose training goes on: winners of the race of roots, and at the end the finalists."""
    found = promotions(snapshot.trials, snapshot.roots, snapshot.promoted, snapshot.count)
    found = found or compared(snapshot.trials, snapshot.alternatives, snapshot.count)
    if found:
        return found
    kept = _kept(snapshot)
    best = None if kept is None else keeping.chosen(snapshot.trials, kept)
    settled = bool(snapshot.patience) and is_settled(snapshot.trials, snapshot.patience or 0, best)
    if settled or (snapshot.remaining is not None and snapshot.remaining <= FINALISTS):
        found = _finalists(snapshot, kept)
    if settled and not found:
        raise SearchSettled(
            f"{_children(snapshot.patience or 1)} did not win: the rest of the time goes into "
            "the final fit"
        )
    return found


def _children(count: int) -> str:
    return "the last child" if count == 1 else f"{count} children in a row"


def _finalists(snapshot: Snapshot, kept: KeptValue | None) -> list[Suggestion]:
    """The best trials, to be trained on once more before the search ends."""
    if kept is None:
        return finalists(snapshot.trials, snapshot.count)
    return [continuation(one) for one in keeping.finalists(snapshot.trials, kept)]


def _kept(snapshot: Snapshot) -> KeptValue | None:
    """The value that smaller networks are to keep; None where none is, or none is known yet."""
    if not snapshot.keeps_value or snapshot.cost is None:
        return None
    return kept_value(snapshot.trials, snapshot.roots[0], snapshot.cost, _bounds(snapshot))


def _by_strategy(snapshot: Snapshot) -> list[Suggestion]:
    rng = np.random.default_rng([snapshot.seed, snapshot.next_number])
    chosen = strategy(snapshot.strategy, snapshot.strategy_options, snapshot.cost)
    trials, kept = snapshot.trials, _kept(snapshot)
    if snapshot.goal is not None:
        trials = without_superseded(trials)
    return chosen.suggest(
        SuggestRequest(
            completed=[trial for trial in trials if not trial.is_pending],
            pending=[trial for trial in trials if trial.is_pending],
            count=snapshot.count,
            bounds=_bounds(snapshot),
            prior_mean=snapshot.prior_mean,
            kept=None if kept is None else kept.root,
            rng=rng,
        )
    )


def _bounds(snapshot: Snapshot) -> Bounds:
    """The bounds, with what was measured of the workers where the search needs it."""
    looks_at_latency = snapshot.bounds.latency is not None or snapshot.cost is Cost.LATENCY
    looks_at_time = looks_at_latency or snapshot.example_seconds is not None
    if not looks_at_time and snapshot.exceeded_memory is None:
        return snapshot.bounds
    return measured_bounds(
        snapshot.bounds,
        [(one.architecture, one.latency) for one in snapshot.trials if one.latency],
        [
            (one.architecture, 1 / one.samples_per_second)
            for one in snapshot.trials
            if one.samples_per_second
        ],
        snapshot.example_seconds,
        snapshot.exceeded_memory,
    )


def _left_out_in_words(snapshot: Snapshot) -> str:
    """What time and memory have left out, for the reason of a search that finds nothing new."""
    left_out = []
    if snapshot.example_seconds is not None:
        speed = 1 / snapshot.example_seconds
        left_out.append(
            f"those expected to train on less than {speed:.3g} examples a second, too slow for "
            "the time of the search"
        )
    if snapshot.exceeded_memory is not None:
        exceeded = snapshot.exceeded_memory.bytes / 1e6
        left_out.append(
            f"those with an estimated {exceeded:.0f} MB or more: every worker ran out of it"
        )
    return "".join(f", beside {one}" for one in left_out)


def _inheriting(suggestion: Suggestion) -> Suggestion:
    """The suggestion; without its parent where that has no weights to inherit."""
    if suggestion.parent is None or suggestion.parent.inheritable:
        return suggestion
    return replace(suggestion, parent=None, morphisms=())
