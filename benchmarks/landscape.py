"""Real searches over a made-up landscape, by every strategy as the service runs it."""

from uuid import UUID

import numpy as np

from benchmarks import histories
from core.graph.roots import roots
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion
from core.search.step import Snapshot, step
from core.search.strategies import STRATEGIES

BEST = 0.98  # the highest value of the landscape
CANDIDATES = 200  # scored for one suggestion


def search(strategy: str, seed: int, evaluations: int) -> tuple[list[float], list[float]]:
    """The observed values, with noise, and the true values, in order."""
    trials, true = trials_of(strategy, seed, evaluations)
    return [float(trial.value or 0.0) for trial in trials], true


def trials_of(
    strategy: str, seed: int, evaluations: int, cost: Cost | None = None
) -> tuple[list[PastTrial], list[float]]:
    """The trials of a search, and their true values."""
    rng = np.random.default_rng([seed, 1])
    trials: list[PastTrial] = []
    true: list[float] = []
    options = {"candidates": CANDIDATES} if hasattr(STRATEGIES[strategy], "candidates") else {}
    while len(trials) < evaluations:
        for suggestion in step(
            Snapshot(
                seed=seed,
                next_number=len(trials),
                count=1,
                strategy=strategy,
                strategy_options=options,
                roots=roots(histories.SPEC, histories.BOUNDS),
                bounds=histories.BOUNDS,
                trials=tuple(trials),
                cost=cost,
            )
        ):
            true.append(histories.value(histories.features(suggestion.architecture)))
            observed = true[-1] + histories.NOISE * float(rng.standard_normal())
            trials.append(_completed(suggestion, len(trials), observed))
    return trials, true


def _completed(suggestion: Suggestion, number: int, value: float) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=suggestion.architecture,
        status=TrialStatus.COMPLETED,
        value=value,
        value_std=histories.NOISE,
        inheritable=True,
        parent_id=suggestion.parent_id,
        morphisms=suggestion.morphisms,
    )
