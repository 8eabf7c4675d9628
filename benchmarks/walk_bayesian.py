"""How Bayesian optimisation walks over a table: what `bayesian` and `bo-scratch` do there."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import Reach, Walk, random_line
from core.protocol.contracts import Bounds
from core.search.strategies.bayesian import FIRST, Bayesian
from core.surrogate.fitting import Observation, fit, scheduled
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

ANYWHERE = 1000  # random lines that are scored where every line may be next, drawn for each fit


class Belief:
    """The surrogate of a walk, and where the lines lie that it is asked about."""

    def __init__(self, strategy: Bayesian) -> None:
        self._strategy = strategy
        self._surrogate: Surrogate | None = None
        self._told = 0  # observations of the surrogate
        self.fitted = 0  # observations that its hyper-parameters were learned from
        self._asked: tuple[NDArray[np.intp], Points] | None = None  # lines, and their points

    def best(self, walk: Walk, lines: NDArray[np.intp], allowed: NDArray[np.bool_]) -> int:
        """Of some lines the allowed one of the highest acquisition, once all seen is learned."""
        surrogate = self.learn(walk)
        if self._asked is None or self._asked[0] is not lines:
            self._asked = lines, walk.table.chart.points(surrogate.geometry, lines)
        acquisition = self._strategy.acquisition_for(Bounds())
        alphas = acquisition.of_values(surrogate, self._asked[1])
        return int(lines[np.argmax(np.where(allowed[lines], alphas, -np.inf))])

    def learn(self, walk: Walk) -> Surrogate:
        """The surrogate of all that the walk has seen."""
        count = len(walk.seen)
        if self._surrogate is None or scheduled(count) > self.fitted:
            self.fitted, self._asked = scheduled(count), None
            self._surrogate = fit(_observed(walk), self._strategy.kernel, learned_from=self.fitted)
        elif self._told < count:
            new = np.array(walk.seen[self._told :])
            points = walk.table.chart.points(self._surrogate.geometry, new)
            values = np.array(walk.shown[self._told :])
            self._surrogate = self._surrogate.condition_on(points, values, np.zeros(len(values)))
        self._told = count
        return self._surrogate


def _observed(walk: Walk) -> list[Observation]:
    """All that the walk has seen, as a surrogate is told of it."""
    entries = [walk.table.entries[place] for place in walk.seen]
    return [
        Observation(entry.architecture, value)
        for entry, value in zip(entries, walk.shown, strict=True)
    ]


class BayesianWalker:
    """The line of the highest acquisition among those some moves away."""

    def __init__(self) -> None:
        self._strategy = Bayesian()
        self._belief = Belief(self._strategy)
        self._reach: Reach | None = None
        self._reached = 0  # seen lines that it knows

    def __call__(self, walk: Walk) -> int:
        if len(walk.seen) < FIRST:
            return random_line(walk)
        allowed = ~walk.known
        if walk.table.has_neighbours:
            allowed &= self._moves(walk) <= self._strategy.max_chain_length(len(walk.seen))
        if not allowed.any():
            return walk.any_of([])
        return self._belief.best(walk, walk.table.lines, allowed)

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
        if len(walk.seen) < FIRST:
            return walk.anywhere(1)[0]
        self._belief.learn(walk)
        if self._drawn < self._belief.fitted or walk.known[self._pool].all():
            self._pool = np.array(walk.anywhere(ANYWHERE), dtype=np.intp)
            self._drawn = self._belief.fitted
        return self._belief.best(walk, self._pool, ~walk.known)
