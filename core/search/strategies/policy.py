"""A softmax policy that learns by REINFORCE (Williams 1992), and its baseline.

Notation
    φ      features of the choices; shape (n, k)
    θ      weights of the features, by name; shape (k,)
    q      prior probability of each choice, before anything is learned; shape (n,)
    A      advantage: how much better than expected a choice turned out

    π(i) = q_i exp(φ_i·θ) / Σ_j q_j exp(φ_j·θ)
    θ ← θ + rate · A · (φ_i - Σ_j π(j) φ_j)

The bracket is the gradient of log π(i).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MOST = 3.0  # standard deviations to which advantages are clipped
_BOUND = 8.0  # to which weights are clipped, so that no choice becomes impossible


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of one decision; a feature that is equal for all changes nothing."""

    names: tuple[str, ...]  # of the features
    features: Floats  # φ
    prior: Floats  # q, up to a factor

    def __len__(self) -> int:
        return len(self.features)


def choices(described: Sequence[Mapping[str, float]], prior: Sequence[float]) -> Choices:
    """The choices with these features by name, and prior (n,); a feature not named is 0."""
    columns: dict[str, int] = {}
    for one in described:
        for name in one:
            columns.setdefault(name, len(columns))
    features = np.zeros((len(described), len(columns)))
    for row, one in enumerate(described):
        for name, value in one.items():
            features[row, columns[name]] = value
    return Choices(tuple(columns), features, np.array(prior, dtype=np.float64))


@dataclass(slots=True)
class Policy:
    """The weights θ by feature; a feature that has not occurred yet has weight 0."""

    weights: dict[str, float] = field(default_factory=dict)

    def logits(self, among: Choices) -> Floats:
        """log π of every choice, up to a constant: (n, k) -> (n,)"""
        theta = np.array([self.weights.get(name, 0.0) for name in among.names])
        return np.asarray(np.log(among.prior) + among.features @ theta)

    def probabilities(self, among: Choices) -> Floats:
        """π: (n, k) -> (n,)"""
        logits = self.logits(among)
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum())

    def order(self, among: Choices, rng: np.random.Generator) -> list[int]:
        """Indices of all choices, drawn from π without replacement (Gumbel-top-k trick)."""
        keys = self.logits(among) + rng.gumbel(size=len(among))
        return [int(index) for index in np.argsort(-keys, kind="stable")]

    def learn(self, among: Choices, chosen: int, step: float) -> None:
        """Move θ by a step along the gradient of log π(chosen), or against it if negative."""
        expected = self.probabilities(among) @ among.features
        for name, slope in zip(among.names, among.features[chosen] - expected, strict=True):
            moved = self.weights.get(name, 0.0) + step * float(slope)
            self.weights[name] = min(max(moved, -_BOUND), _BOUND)


@dataclass(slots=True)
class Baseline:
    """A running mean of rewards, and their variance about it."""

    memory: float  # factor of the weight of earlier rewards at each new one
    mean: float = 0.0
    square: float = 0.0  # of the deviations
    weight: float = 0.0  # of all rewards so far

    def advantage(self, reward: float) -> float:
        """Update with a reward; its standard deviations above the mean before it, 0 at first."""
        kept = self.memory * self.weight
        self.weight = kept + 1
        share = 1 / self.weight
        deviation = reward - self.mean
        self.mean += share * deviation
        if kept == 0:
            return 0.0
        self.square += share * (deviation**2 - self.square)
        spread = sqrt(self.square)
        return min(max(deviation / spread, -_MOST), _MOST) if spread > 0 else 0.0
