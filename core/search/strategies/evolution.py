"""Regularised evolution (Real, Aggarwal, Huang & Le 2019, arXiv:1802.01548), on morphisms.

The population is the youngest networks, whatever their values: old ones die. A parent is the best
of a random sample of it, so that neither the lucky nor the first live on for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InvalidInput
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


@STRATEGIES.register("evolution")
@dataclass(frozen=True, slots=True)
class Evolution(AbstractStrategy):
    """A random child of the winner of each tournament."""

    population: int = 20  # of the youngest networks
    tournament: int = 5  # of them compared for one child

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.population:
            raise InvalidInput(
                f"evolution: found a tournament of {self.tournament} in a population of "
                f"{self.population}; expected 1 <= tournament <= population"
            )

    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        parents = sorted(parents_of(completed, pending), key=lambda trial: trial.number)
        living = parents[-self.population :]
        excluded = fingerprints(completed, pending)
        found: list[Draft] = []
        while len(found) < count and living:
            drawn = rng.permutation(len(living))[: self.tournament]
            winners = ranked([living[place] for place in drawn])
            others = [trial for trial in reversed(parents) if trial not in winners]
            # others have their turn only where the sample has no new children left
            children = morphs_in_turn([*winners, *others], excluded, bounds, 1, rng)
            if not children:
                break
            found += children
            excluded |= {child.architecture.fingerprint for child in children}
        return found
