"""Bayesian optimisation without inheritance: every network is trained from random weights.

The baseline "BO" of Jin, Song & Hu 2019 (arXiv:1806.10282, section 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from core.protocol.contracts import Bounds
from core.search.history import Draft, PastTrial
from core.search.strategies.abstract import STRATEGIES
from core.search.strategies.bayesian import Bayesian


@STRATEGIES.register("bo-scratch")
@dataclass(frozen=True, slots=True)
class BayesianFromScratch(Bayesian):
    """The choices of `bayesian`, each a start of its own."""

    inherits: ClassVar[bool] = False

    def suggest(
        self,
        completed: Sequence[PastTrial],
        pending: Sequence[PastTrial],
        count: int,
        rng: np.random.Generator,
        bounds: Bounds,
    ) -> list[Draft]:
        drafts = Bayesian.suggest(self, completed, pending, count, rng, bounds)
        return [replace(draft, parent=None, morphisms=()) for draft in drafts]
