"""Breadth-first search: every child of the oldest network before any of the next.

A baseline of Jin, Song & Hu 2019 (arXiv:1806.10282, section 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.protocol.contracts import Bounds
from core.search.history import Draft, PastTrial
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    fingerprints,
    morphs_in_turn,
    parents_of,
)


@STRATEGIES.register("bfs")
@dataclass(frozen=True, slots=True)
class BreadthFirst(AbstractStrategy):
    """The children of the oldest network, in random order, then those of the next."""

    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        oldest = sorted(parents_of(completed, pending), key=lambda trial: trial.number)
        return morphs_in_turn(oldest, fingerprints(completed, pending), bounds, count, rng)
