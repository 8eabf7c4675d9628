"""Bayesian optimisation over a table: the walkers for `bayesian` and `bo-scratch`."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.walks import MoveCounts, Walk, random_line
from core.protocol.contracts.bounds import Bounds
from core.search.strategies.bayesian import FIRST, Bayesian
from core.surrogate.fitting import Observation, fit, scheduled
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

ANYWHERE = 1000  # random lines that `bo-scratch` scores, drawn again for each fit


class WalkSurrogate:
    """The surrogate of a walk, and the points of the lines that it scored last."""

    def __init__(self, strategy: Bayesian) -> None:
        self._strategy = strategy
        self._surrogate: Surrogate | None = None
        self._observed = 0  # number of observations of the surrogate
        self.fitted = 0  # number of observations that its hyper-parameters were learned from
        self._scored: tuple[NDArray[np.intp], Points] | None = None  # lines, and their points

    def best(self, walk: Walk, lines: NDArray[np.intp], allowed: NDArray[np.bool_]) -> int:
        """The allowed line with the highest acquisition, given all that the walk has observed."""
        surrogate = self.update(walk)
        if self._scored is None or self._scored[0] is not lines:
            self._scored = lines, walk.table.distances.points(surrogate.geometry, lines)
        acquisition = self._strategy.acquisition_for(Bounds())
        alphas = acquisition.of_values(surrogate, self._scored[1])
        return int(lines[np.argmax(np.where(allowed[lines], alphas, -np.inf))])

    def update(self, walk: Walk) -> Surrogate:
        """The surrogate given all that the walk has observed."""
        count = len(walk.seen)
        if self._surrogate is None or scheduled(count) > self.fitted:
            self.fitted, self._scored = scheduled(count), None
            self._surrogate = fit(
                _observations(walk), self._strategy.kernel, learned_from=self.fitted
            )
        elif self._observed < count:
            new = np.array(walk.seen[self._observed :])
            points = walk.table.distances.points(self._surrogate.geometry, new)
            values = np.array(walk.observed[self._observed :])
            self._surrogate = self._surrogate.condition_on(points, values, np.zeros(len(values)))
        self._observed = count
        return self._surrogate


def _observations(walk: Walk) -> list[Observation]:
    """All observations of the walk."""
    entries = [walk.table.entries[index] for index in walk.seen]
    return [
        Observation(entry.architecture, value)
        for entry, value in zip(entries, walk.observed, strict=True)
    ]


class BayesianWalker:
    """Chooses the line with the highest acquisition among those a few moves away."""

    def __init__(self) -> None:
        self._strategy = Bayesian()
        self._belief = WalkSurrogate(self._strategy)
        self._move_counts: MoveCounts | None = None
        self._counted = 0  # seen lines in the counts

    def __call__(self, walk: Walk) -> int:
        if len(walk.seen) < FIRST:
            return random_line(walk)
        allowed = ~walk.known
        if walk.table.has_neighbours:
            allowed &= self._moves(walk) <= self._strategy.max_chain_length(len(walk.seen))
        if not allowed.any():
            return walk.move_from([])
        return self._belief.best(walk, walk.table.lines, allowed)

    def _moves(self, walk: Walk) -> NDArray[np.int8]:
        if self._move_counts is None:
            self._move_counts = MoveCounts(walk.table, self._strategy.morphisms)
        for index in walk.seen[self._counted :]:
            self._move_counts.add(index)
        self._counted = len(walk.seen)
        return self._move_counts.moves


class ScratchWalker:
    """Chooses the line with the highest acquisition among random lines of the table."""

    def __init__(self) -> None:
        self._belief = WalkSurrogate(Bayesian())
        self._pool: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._drawn = 0  # observations of the fit that the pool was drawn for

    def __call__(self, walk: Walk) -> int:
        if len(walk.seen) < FIRST:
            return walk.random_unseen(1)[0]
        self._belief.update(walk)
        if self._drawn < self._belief.fitted or walk.known[self._pool].all():
            self._pool = np.array(walk.random_unseen(ANYWHERE), dtype=np.intp)
            self._drawn = self._belief.fitted
        return self._belief.best(walk, self._pool, ~walk.known)
