"""A prior mean over architectures: what earlier searches have shown to make networks better.

Notation
    x    features of an architecture's graph (`graph_features`); shape (p,)
    z    values of a search as its surrogate sees them, with mean 0 and variance 1; shape (n,)
    β    slopes, in standard deviations of values for each unit of x; shape (p,)
    σ    standard deviations of the features within searches; shape (p,)
    λ    strength of the ridge

    β = argmin Σ_searches |z - (X - mean X) β|² + λ |σ β|²,  m(x) = (x - mean x)ᵀ β

Searches differ in the level and the spread of their values, so only differences within each count.
The surrogate of a new search has the mean w m(x), where w is normal with mean and standard
deviation 1/2: it learns from its own values how much of m holds. Earlier tasks as a prior mean:
Golovin et al. 2017 (Vizier, sec. 3.3); Wang et al. 2021, arXiv:2109.08215.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.similarity.encoding import Floats, NodeEncoder
from core.similarity.graph_features import NAMES, graph_features
from core.surrogate import FEWEST_SEARCHES, FEWEST_VALUES

WEIGHT, WEIGHT_STD = 0.5, 0.5  # of w
_RIDGE = 10.0  # λ
_LARGEST = 1e6  # slope that can be meant


@dataclass(frozen=True, slots=True)
class PriorMean:
    """Slopes of the value in the features of an architecture's graph."""

    slopes: tuple[float, ...]  # β

    def __post_init__(self) -> None:
        slopes = np.array(self.slopes)
        if slopes.shape != (len(NAMES),) or not (np.abs(slopes) <= _LARGEST).all():
            raise InvalidInput(
                f"the prior mean has {len(self.slopes)} slopes {list(self.slopes)}; expected "
                f"{len(NAMES)} numbers from {-_LARGEST:g} to {_LARGEST:g}"
            )

    @classmethod
    def of(cls, searches: Sequence[tuple[Sequence[Architecture], Floats]]) -> Self | None:
        """The slopes that searches have in common; None where there are too few of them.

        Each search has its architectures and their values, standardised: (n), (n,). Searches of
        fewer than `FEWEST_VALUES` networks are left out.
        """
        known = [one for one in searches if len(one[0]) >= FEWEST_VALUES]
        if len(known) < FEWEST_SEARCHES:
            return None
        x = np.concatenate([_centred(_features(networks)) for networks, _ in known])
        z = np.concatenate([_centred(np.asarray(values)) for _, values in known])
        spread = np.maximum(x.std(axis=0), 1e-9)
        x = x / spread
        slopes = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ z) / spread
        return cls(tuple(slopes.tolist()))


def _features(architectures: Sequence[Architecture]) -> Floats:
    """x of each architecture: (n) -> (n, p)"""
    encoder = NodeEncoder()
    return graph_features(architectures, encoder.encode(architectures), encoder.facts)


def _centred(columns: Floats) -> Floats:
    return np.asarray(columns - columns.mean(axis=0))
