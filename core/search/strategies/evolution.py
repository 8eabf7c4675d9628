"""Regularised evolution (Real, Aggarwal, Huang & Le 2019, arXiv:1802.01548), on morphisms.

The population is the youngest networks, whatever their values: old ones die. A parent is the best
of a random sample of it. So neither lucky nor early networks stay in it permanently.
"""

from dataclasses import dataclass, replace

from core.errors import InvalidInput
from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    morphs_in_turn,
    ranked,
)


@STRATEGIES.register("evolution")
@dataclass(frozen=True, slots=True)
class Evolution(AbstractStrategy):
    """A random child of the best of a few networks that are drawn at random."""

    population: int = 20  # of the youngest networks
    tournament: int = 5  # of them are compared for one child

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.population:
            raise InvalidInput(
                f"evolution: found a tournament of {self.tournament} in a population of "
                f"{self.population}; expected 1 <= tournament <= population"
            )

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        parents = sorted(request.parents, key=lambda trial: trial.number)
        living = parents[-self.population :]
        found: list[Suggestion] = []
        while len(found) < request.count and living:
            drawn = request.rng.permutation(len(living))[: self.tournament]
            winners = ranked([living[index] for index in drawn])
            # The others have their turn only where the sample has no new children left.
            others = [trial for trial in reversed(parents) if trial not in winners]
            one_more = replace(request, count=len(found) + 1)
            children = morphs_in_turn(one_more, [*winners, *others], found)
            if not children:
                break
            found += children
        return found
