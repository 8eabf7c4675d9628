"""Random search: a random morphism of a random earlier network."""

from dataclasses import dataclass

from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    random_morphs,
)


@STRATEGIES.register("random")
@dataclass(frozen=True, slots=True)
class Random(AbstractStrategy):
    """Random children of random networks: the baseline that every other strategy must beat."""

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        return random_morphs(request, request.parents)
