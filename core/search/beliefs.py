"""What a search believes of architectures that it has not tried: a surrogate of its history."""

from collections.abc import Sequence

import numpy as np

from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from core.surrogate.fitting import Observation, fit, learn_prior_mean, scheduled
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.prior_mean import PriorMean


def _worst(completed: Sequence[PastTrial]) -> float:
    """The lowest value of the half that was trained the longest: early values are all low."""
    valued = [trial for trial in completed if trial.value is not None]
    median = float(np.median([trial.fidelity for trial in valued])) if valued else 1.0
    mature = (trial.value for trial in valued if trial.fidelity >= median)
    return min((value for value in mature if value is not None), default=0.0)


def believe(
    completed: Sequence[PastTrial],
    pending: Sequence[PastTrial],
    kernel: str,
    prior_mean: PriorMean | None = None,
) -> Surrogate:
    """The surrogate of a history: infeasible trials count as the worst, pending ones as expected.

    Failed and lost trials are left out: they say nothing about their architectures.
    """
    seen = observations(completed)
    parents = [trial for trial in completed if trial.inheritable]  # some may have no value
    landmarks = [trial.architecture for trial in (*parents, *pending)]
    surrogate = fit(seen, kernel, landmarks, scheduled(len(seen)), prior_mean)
    for trial in pending:
        points = surrogate.geometry.points([trial.architecture])
        surrogate = surrogate.fantasize(points, np.array([trial.fidelity]))
    return surrogate


def observations(completed: Sequence[PastTrial]) -> list[Observation]:
    """The values of a history in the order of its trials; infeasible ones count as the worst."""
    worst = _worst(completed)
    found = []
    for trial in sorted(completed, key=lambda trial: trial.number):
        if trial.status is TrialStatus.INFEASIBLE:
            found.append(Observation(trial.architecture, worst))
        elif trial.value is not None:
            std = trial.value_std or 0.0
            found.append(Observation(trial.architecture, trial.value, std, trial.fidelity))
    return found


def prior_mean_of(searches: Sequence[Sequence[PastTrial]]) -> PriorMean | None:
    """What the trials of finished searches say of a new one; None where there are too few."""
    return learn_prior_mean([observations(trials) for trials in searches])
