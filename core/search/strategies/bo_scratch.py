"""Bayesian optimisation without inheritance: every network is trained from random weights.

The baseline "BO" of Jin, Song & Hu 2019 (arXiv:1806.10282, section 5).
"""

from dataclasses import dataclass
from typing import ClassVar

from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import STRATEGIES, without_parent
from core.search.strategies.bayesian import Bayesian


@STRATEGIES.register("bo-scratch")
@dataclass(frozen=True, slots=True)
class BayesianFromScratch(Bayesian):
    """The suggestions of `bayesian`, each trained from random weights."""

    inherits: ClassVar[bool] = False

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        return [without_parent(one) for one in Bayesian.suggest(self, request)]
