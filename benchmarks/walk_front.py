"""How Bayesian optimisation walks over a table in a search with a cost."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.walk_bayesian import Belief
from benchmarks.walks import Reach, Walk, random_line
from core.search.acquisition import Acquisition
from core.search.pareto import Front
from core.search.strategies.bayesian import FIRST, Bayesian
from core.similarity.edit_distance import Floats
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

GAIN = Acquisition("log-ehvi")  # of hypervolume


class FrontWalker:
    """The line of the highest expected gain in hypervolume among those some moves away."""

    def __init__(self, log_costs: Floats) -> None:
        self._log_costs = log_costs  # of all lines
        self._strategy = Bayesian()
        self._belief = Belief(self._strategy)
        self._points: Points | None = None  # all lines, as the last fit sees them
        self._fitted = 0
        self._reach: Reach | None = None
        self._reached = 0  # seen lines that it knows

    def __call__(self, walk: Walk) -> int:
        if len(walk.seen) < FIRST:
            return random_line(walk)
        wanted = ~walk.known & self._near(walk)
        if not wanted.any():
            return walk.any_of([])
        surrogate = self._belief.learn(walk)
        points = self._measured(walk, surrogate)
        front = Front.of(surrogate.posterior(points)[0][walk.seen], self._log_costs[walk.seen])
        gains = GAIN(surrogate, points, self._log_costs, front)
        return int(np.where(wanted, gains, -np.inf).argmax())

    def _measured(self, walk: Walk, surrogate: Surrogate) -> Points:
        if self._points is None or self._fitted < self._belief.fitted:
            self._points = walk.table.chart.points(surrogate.geometry, walk.table.lines)
            self._fitted = self._belief.fitted
        return self._points

    def _near(self, walk: Walk) -> NDArray[np.bool_]:
        """Which lines are as few moves from a seen one as the strategy goes at once."""
        if not walk.table.has_neighbours:
            return np.ones(len(walk.table), dtype=bool)
        if self._reach is None:
            self._reach = Reach(walk.table, self._strategy.morphisms)
        for place in walk.seen[self._reached :]:
            self._reach.add(place)
        self._reached = len(walk.seen)
        near: NDArray[np.bool_] = self._reach.moves <= self._strategy.max_chain_length(
            len(walk.seen)
        )
        return near
