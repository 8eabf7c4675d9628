"""Bayesian optimisation over network morphisms (Jin, Song & Hu 2019, arXiv:1806.10282).

Every process that knows the strategies imports this module; only one that is asked for suggestions
imports the surrogate, with its compiler, when it is asked.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.graph.bounds import cost
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    random_morphs,
)
from core.surrogate import DEFAULT_KERNEL

if TYPE_CHECKING:
    from core.search.acquisition import Acquisition
    from core.surrogate.gaussian_process import Surrogate

#: Beside "log-ehvi", for searches with a cost, and "log-saving", for those that keep a value.
ACQUISITIONS = ("ucb", "log-ei", "log-pi")
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
        if self.kernel != DEFAULT_KERNEL:
            from core.surrogate.kernels import KERNELS  # noqa: PLC0415 (see above)

            _ = KERNELS[self.kernel]

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        parents = request.with_weights
        prior_mean = request.prior_mean if self.prior else None
        valued = sum(trial.value is not None for trial in request.completed)
        if not parents or valued < FIRST:
            return random_morphs(request, request.parents)
        from core.search.acquisition import maximise  # noqa: PLC0415 (see above)
        from core.search.beliefs import believe  # noqa: PLC0415

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

    def _acquisition(self, request: SuggestRequest, surrogate: "Surrogate") -> "Acquisition":
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

    def acquisition_for(self, bounds: Bounds) -> "Acquisition":
        """The acquisition of a search within these bounds."""
        from core.search.acquisition import Acquisition  # noqa: PLC0415 (see above)

        if self.cost is None:
            return Acquisition(self.acquisition, self.beta, self.cost_weight)
        return Acquisition("log-ehvi", cost=partial(cost, self.cost, bounds=bounds))


def _has_value_alone(trial: PastTrial) -> bool:
    """Whether it has a value and no weights: not a possible parent, but an observation."""
    return trial.value is not None and not trial.inheritable
