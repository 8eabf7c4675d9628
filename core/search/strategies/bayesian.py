"""Bayesian optimisation over network morphisms (Jin, Song & Hu 2019, arXiv:1806.10282)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from core.errors import InvalidInput
from core.graph.bounds import cost
from core.protocol.contracts import Bounds, Cost
from core.protocol.states import TrialStatus
from core.search.acquisition import ACQUISITIONS, Acquisition, maximise
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    random_morphs,
)
from core.surrogate.fitting import (
    DEFAULT_KERNEL,
    Observation,
    fit,
    learn_prior_mean,
    scheduled,
)
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import KERNELS
from core.surrogate.prior_mean import PriorMean

FIRST = 2  # observations; with fewer the prior decides, which prefers the farthest networks
PARENTS_PER_MORPHISM = 4  # see `max_chain_length`


@STRATEGIES.register("bayesian")
@dataclass(frozen=True, slots=True)
class Bayesian(AbstractStrategy):
    """A Gaussian process chooses among chains of morphisms of networks with weights.

    The first morphs are random.
    """

    beta: float = 2.0  # exploration weight of "ucb"
    candidates: int = 700  # scored for one answer
    morphisms: int = 4  # longest chain from a network with weights; see `max_chain_length`
    kernel: str = DEFAULT_KERNEL
    acquisition: str = "ucb"  # of ACQUISITIONS
    cost_weight: float = 0.0  # not for "ucb"; 1: improvement per predicted second of training
    prior: bool = True  # whether finished searches say what to expect of the first networks
    cost: Cost | None = None  # of the search; with one the acquisition is the hypervolume gain

    def __post_init__(self) -> None:
        if not (0 <= self.beta <= 100 and 1 <= self.candidates <= 100_000):
            raise InvalidInput(
                f"found beta {self.beta} and {self.candidates} candidates; "
                "expected 0 to 100, and 1 to 100000"
            )
        if not 1 <= self.morphisms <= 100:
            raise InvalidInput(f"found {self.morphisms} morphisms; expected 1 to 100")
        if self.acquisition not in ACQUISITIONS:
            raise InvalidInput(
                f"found acquisition {self.acquisition!r}; expected {' or '.join(ACQUISITIONS)}"
            )
        if not 0 <= self.cost_weight <= 10 or (self.cost_weight and self.acquisition == "ucb"):
            raise InvalidInput(
                f"found cost_weight {self.cost_weight} with acquisition {self.acquisition!r}; "
                "expected 0 to 10, and 0 with 'ucb'"
            )
        _ = KERNELS[self.kernel]

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        parents = request.with_weights
        prior_mean = request.prior_mean if self.prior else None
        valued = sum(trial.value is not None for trial in request.completed)
        if not parents or valued < FIRST:
            return random_morphs(request, request.parents)
        surrogate = believe(request.completed, request.pending, self.kernel, prior_mean)
        found = maximise(
            surrogate,
            parents,
            request.fingerprints,
            request.bounds,
            request.rng,
            count=request.count,
            acquisition=self._acquisition(request, surrogate),
            others=[*filter(_has_value_alone, request.completed), *request.pending],
            candidates=self.candidates,
            morphisms=self.max_chain_length(len(parents)),
        )
        return found + random_morphs(request, parents, found)

    def max_chain_length(self, parents: int) -> int:
        """The most morphisms from a candidate to the nearest of `parents` networks with weights.

        It grows with their number: a surrogate of few networks knows only what is near them.
        """
        return min(self.morphisms, 1 + parents // PARENTS_PER_MORPHISM)

    def _acquisition(self, request: SuggestRequest, surrogate: Surrogate) -> Acquisition:
        """The acquisition for a request; where a value is to be kept, savings at this value.

        The least value is that which the surrogate expects of its network, less its standard
        error, so that all values are for the same length of training.
        """
        usual, kept = self.acquisition_for(request.bounds), request.kept
        if kept is None or self.cost is None:
            return usual
        mean, _ = surrogate.posterior(surrogate.geometry.points([kept.architecture]))
        least = float(mean[0]) - (kept.value_std or 0.0)
        return replace(usual, kind="log-saving", least=least)

    def acquisition_for(self, bounds: Bounds) -> Acquisition:
        """The acquisition of a search within these bounds."""
        if self.cost is None:
            return Acquisition(self.acquisition, self.beta, self.cost_weight)
        return Acquisition("log-ehvi", cost=partial(cost, self.cost, bounds=bounds))


def _has_value_alone(trial: PastTrial) -> bool:
    """Whether it has a value and no weights: not a possible parent, but an observation."""
    return trial.value is not None and not trial.inheritable


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
