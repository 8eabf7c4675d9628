"""Hill climbing by network morphism (Elsken, Metzen & Hutter 2017, arXiv:1711.04528).

The paper trains a generation of children and goes on from the best. Here a child that is better
becomes the parent at once, so that no worker waits for the others of its generation.
"""

from dataclasses import dataclass

from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    morphs_in_turn,
    ranked,
)


@STRATEGIES.register("hill-climbing")
@dataclass(frozen=True, slots=True)
class HillClimbing(AbstractStrategy):
    """Random children of the best network so far; of the next best where it has no more."""

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        return morphs_in_turn(request, ranked(request.parents))
