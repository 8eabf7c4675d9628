"""How Bayesian optimisation walks over a table: what `bayesian` and `bo-scratch` do there."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import Reach, Walk
from core.acquisition import confidence_bound
from core.fitting import Observation, fit
from core.kernels import Points
from core.strategies.bayesian import PARENTS_PER_MORPHISM, Bayesian
from core.surrogate import Surrogate

REFIT = 0.1  # more observations, as a share, before hyper-parameters are fitted again
ANYWHERE = 1000  # random lines that are scored where every line may be next, drawn for each fit


class Belief:
    """The surrogate of a walk, and the lines that were measured from its landmarks."""

    def __init__(self, strategy: Bayesian) -> None:
        self._strategy = strategy
        self._surrogate: Surrogate | None = None
        self._told = 0  # observations of the surrogate
        self.fitted = 0  # observations at the last fit
        self._places: NDArray[np.intp] = np.zeros(0, dtype=np.intp)  # of the points
        self._points: Points | None = None
        self._is_measured: NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def best(self, walk: Walk, wanted: NDArray[np.bool_]) -> int:
        """The wanted line of the highest acquisition, once all that was seen is learned."""
        surrogate = self.learn(walk)
        points = self._measured(walk, surrogate, wanted)
        alphas = confidence_bound(*surrogate.posterior(points), self._strategy.beta)
        alphas[~wanted[self._places]] = -np.inf
        return int(self._places[np.argmax(alphas)])

    def learn(self, walk: Walk) -> Surrogate:
        """The surrogate of all that the walk has seen."""
        seen = [walk.table.entries[place].architecture for place in walk.seen]
        if self._surrogate is None or len(seen) >= self.fitted * (1 + REFIT):
            told = [Observation(one, value) for one, value in zip(seen, walk.shown, strict=True)]
            self._surrogate = fit(told, self._strategy.kernel)
            self.fitted = len(seen)
            self._places, self._points = self._places[:0], None
            self._is_measured = np.zeros(len(walk.table), dtype=bool)
        elif self._told < len(seen):
            points = self._surrogate.geometry.points(seen[self._told :])
            values = np.array(walk.shown[self._told :])
            self._surrogate = self._surrogate.told(points, values, np.zeros(len(values)))
        self._told = len(seen)
        return self._surrogate

    def _measured(self, walk: Walk, surrogate: Surrogate, wanted: NDArray[np.bool_]) -> Points:
        """The points of all lines wanted so far, measured once for each fit."""
        new = np.flatnonzero(wanted & ~self._is_measured)
        if len(new):
            more = [walk.table.entries[place].architecture for place in new]
            points = surrogate.geometry.points(more)
            self._points = points if self._points is None else Points.joined([self._points, points])
            self._places = np.concatenate([self._places, new])
            self._is_measured[new] = True
        assert self._points is not None
        return self._points


class BayesianWalker:
    """The line of the highest acquisition among those some moves away."""

    def __init__(self) -> None:
        self._strategy = Bayesian()
        self._belief = Belief(self._strategy)
        self._reach: Reach | None = None
        self._reached = 0  # seen lines that it knows

    def __call__(self, walk: Walk) -> int:
        wanted = ~walk.known
        if walk.table.has_neighbours:
            moves = min(self._strategy.morphisms, 1 + len(walk.seen) // PARENTS_PER_MORPHISM)
            wanted &= self._moves(walk) <= moves
        if not wanted.any():
            return walk.any_of([])
        return self._belief.best(walk, wanted)

    def _moves(self, walk: Walk) -> NDArray[np.int8]:
        if self._reach is None:
            self._reach = Reach(walk.table, self._strategy.morphisms)
        for place in walk.seen[self._reached :]:
            self._reach.add(place)
        self._reached = len(walk.seen)
        return self._reach.moves


class ScratchWalker:
    """The line of the highest acquisition among random ones, wherever they are."""

    def __init__(self) -> None:
        self._belief = Belief(Bayesian())
        self._pool: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._drawn = 0  # the fit for which

    def __call__(self, walk: Walk) -> int:
        self._belief.learn(walk)
        if self._drawn < self._belief.fitted or walk.known[self._pool].all():
            self._pool = np.array(walk.anywhere(ANYWHERE), dtype=np.intp)
            self._drawn = self._belief.fitted
        wanted = np.zeros(len(walk.table), dtype=bool)
        wanted[self._pool] = True
        return self._belief.best(walk, wanted & ~walk.known)
