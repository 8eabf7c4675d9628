"""Bayesian optimisation over a table in a search with a cost."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.walk_bayesian import WalkSurrogate
from benchmarks.walks import MoveCounts, Walk, random_line
from core.search.acquisition import Acquisition
from core.search.pareto import Front
from core.search.strategies.bayesian import FIRST, Bayesian
from core.similarity.edit_distance import Floats
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

GAIN = Acquisition("log-ehvi")  # the expected gain in hypervolume


class FrontWalker:
    """Chooses the line with the highest expected gain in hypervolume within a few moves."""

    def __init__(self, log_costs: Floats) -> None:
        self._log_costs = log_costs  # of all lines
        self._strategy = Bayesian()
        self._belief = WalkSurrogate(self._strategy)
        self._points: Points | None = None  # of all lines, with the geometry of the last fit
        self._fitted = 0
        self._move_counts: MoveCounts | None = None
        self._counted = 0  # seen lines in the counts

    def __call__(self, walk: Walk) -> int:
        if len(walk.seen) < FIRST:
            return random_line(walk)
        allowed = ~walk.known & self._near(walk)
        if not allowed.any():
            return walk.move_from([])
        surrogate = self._belief.update(walk)
        points = self._all_points(walk, surrogate)
        front = Front.of(surrogate.posterior(points)[0][walk.seen], self._log_costs[walk.seen])
        gains = GAIN(surrogate, points, self._log_costs, front)
        return int(np.where(allowed, gains, -np.inf).argmax())

    def _all_points(self, walk: Walk, surrogate: Surrogate) -> Points:
        if self._points is None or self._fitted < self._belief.fitted:
            self._points = walk.table.distances.points(surrogate.geometry, walk.table.lines)
            self._fitted = self._belief.fitted
        return self._points

    def _near(self, walk: Walk) -> NDArray[np.bool_]:
        """Whether each line is within the strategy's largest number of moves from a seen line."""
        if not walk.table.has_neighbours:
            return np.ones(len(walk.table), dtype=bool)
        if self._move_counts is None:
            self._move_counts = MoveCounts(walk.table, self._strategy.morphisms)
        for index in walk.seen[self._counted :]:
            self._move_counts.add(index)
        self._counted = len(walk.seen)
        near: NDArray[np.bool_] = self._move_counts.moves <= self._strategy.max_chain_length(
            len(walk.seen)
        )
        return near
