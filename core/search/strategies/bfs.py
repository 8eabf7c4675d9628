"""Breadth-first search: every child of the oldest network before any of the next.

A baseline of Jin, Song & Hu 2019 (arXiv:1806.10282, section 5).
"""

from dataclasses import dataclass

from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    morphs_in_turn,
)


@STRATEGIES.register("bfs")
@dataclass(frozen=True, slots=True)
class BreadthFirst(AbstractStrategy):
    """The children of the oldest network, in random order, then those of the next."""

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        oldest_first = sorted(request.parents, key=lambda trial: trial.number)
        return morphs_in_turn(request, oldest_first)
