"""Hill climbing by network morphism (Elsken, Metzen & Hutter 2017, arXiv:1711.04528).

The paper trains a generation of children and goes on from the best. Here a child that is better
becomes the parent at once, so that no worker waits for the others of its generation.
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
    ranked,
)


@STRATEGIES.register("hill-climbing")
@dataclass(frozen=True, slots=True)
class HillClimbing(AbstractStrategy):
    """Random children of the best network so far; of the next best where it has no more."""

    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        best_first = ranked(parents_of(completed, pending))
        return morphs_in_turn(best_first, fingerprints(completed, pending), bounds, count, rng)
