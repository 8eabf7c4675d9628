"""Random search: a random morphism of a random earlier network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.protocol.contracts import Bounds
from core.search.history import Draft, PastTrial
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    fingerprints,
    parents_of,
    random_morphs,
)


@STRATEGIES.register("random")
@dataclass(frozen=True, slots=True)
class Random(AbstractStrategy):
    """The baseline that every other strategy must beat."""

    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        parents = parents_of(completed, pending)
        return random_morphs(parents, fingerprints(completed, pending), bounds, count, rng)
