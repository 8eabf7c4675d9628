"""The acquisition, and its maximisation over chains of morphisms.

Notation
    μ, σ   the surrogate's mean and standard deviation of a candidate's value
    β      exploration weight
    α      μ + β σ, the upper confidence bound (larger is better)
    T      temperature, in standard deviations of the objective

The search is Algorithm 1 of Jin, Song & Hu 2019 (arXiv:1806.10282), best first with simulated
annealing, corrected: observed networks are queued by their own α and not by their value; the best
candidate is tracked apart from the bound that decides acceptance; T has the objective's unit; what
was tried or scored before is excluded by fingerprint; a budget of candidates ends the search, and
a caller's `should_stop` may end it earlier, with the best so far.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.architecture import Architecture
from core.contracts import Bounds
from core.distance import Floats
from core.history import Draft, Seen
from core.kernels import Points
from core.morphisms import AbstractMorphism, sample
from core.surrogate import Surrogate

CHILDREN = 8  # of one expansion
DECAY = 0.9  # of T at each expansion
COLDEST = 1e-3  # T stays here for what is left of the budget
OBSERVED_EVERY = 3  # each so-many-th expansion is of an observed network


@dataclass(frozen=True, slots=True)
class Candidate:
    """An architecture being scored, and how it is reached from a network with weights."""

    parent: Seen
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture


def confidence_bound(mean: Floats, std: Floats, beta: float) -> Floats:
    """α = μ + β σ (Srinivas et al. 2010, arXiv:0912.3995)"""
    return mean + beta * std


def maximise(
    surrogate: Surrogate,
    parents: Sequence[Seen],
    excluded: frozenset[str],
    bounds: Bounds,
    rng: np.random.Generator,
    *,
    count: int,
    beta: float,
    candidates: int,
    morphisms: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Draft]:
    """Up to `count` different architectures of high acquisition, none of them excluded.

    `candidates` are scored, each at most `morphisms` away from a parent. The second and later
    ones are chosen as if the earlier had turned out as expected.
    """
    tree = _Tree(surrogate, bounds, rng, beta, morphisms, set(excluded))
    tree.plant(parents)
    while len(tree.scored) < candidates and tree.expand() and not should_stop():
        pass
    return _choose(surrogate, tree.scored, tree.parts, count, beta)


@dataclass(slots=True)
class _Tree:
    """The state of one search."""

    surrogate: Surrogate
    bounds: Bounds
    rng: np.random.Generator
    beta: float
    longest: int  # chain of morphisms
    known: set[str]  # fingerprints that are not to be scored (again)
    scored: list[Candidate] = field(default_factory=list)
    parts: list[Points] = field(default_factory=list)
    _queue: list[tuple[float, int, Candidate]] = field(default_factory=list)
    _observed: list[Candidate] = field(default_factory=list)
    _bound: float = -math.inf  # the best α of an observed network
    _temperature: float = 1.0
    _expansions: int = 0
    _pushed: int = 0
    _barren: int = 0  # expansions in a row that brought nothing new

    def plant(self, parents: Sequence[Seen]) -> None:
        """Queue the observed networks by their own α."""
        roots = [Candidate(parent, (), parent.architecture) for parent in parents]
        alphas = self._score([root.architecture for root in roots])[0]
        order = np.argsort(-alphas, kind="stable")
        self._observed = [roots[place] for place in order]
        self._bound = float(alphas.max())
        for place in order:
            self._push(float(alphas[place]), roots[place])

    def expand(self) -> bool:
        """Score some children of one queued network; False once nothing new seems left."""
        candidate = self._next()
        self._expansions += 1
        self._temperature = max(COLDEST, self._temperature * DECAY)
        children = self._children(candidate)
        self._barren = 0 if children else self._barren + 1
        if children:
            alphas, points = self._score([child.architecture for child in children])
            self.scored.extend(children)
            self.parts.append(points)
            for alpha, child in zip(alphas.tolist(), children, strict=True):
                if self._accepts(alpha):
                    self._push(alpha, child)
        return self._barren < 2 * len(self._observed) + 20

    def _next(self) -> Candidate:
        """The queued network of the highest α; now and then an observed one, best first."""
        if self._queue and self._expansions % OBSERVED_EVERY:
            return heapq.heappop(self._queue)[2]
        # Geometric over the ranking: mostly the best, sometimes any.
        place = int(self.rng.geometric(min(1.0, 3 / len(self._observed)))) - 1
        return self._observed[place % len(self._observed)]

    def _children(self, candidate: Candidate) -> list[Candidate]:
        if len(candidate.morphisms) >= self.longest:
            return []
        fresh = []
        for morphism, child in sample(candidate.architecture, self.bounds, self.rng, CHILDREN):
            if child.fingerprint not in self.known:
                self.known.add(child.fingerprint)
                chain = (*candidate.morphisms, morphism)
                fresh.append(Candidate(candidate.parent, chain, child))
        return fresh

    def _score(self, architectures: Sequence[Architecture]) -> tuple[Floats, Points]:
        points = self.surrogate.geometry.points(architectures)
        return confidence_bound(*self.surrogate.posterior(points), self.beta), points

    def _accepts(self, alpha: float) -> bool:
        """Better than every observed network, or by chance, less likely the worse and colder."""
        gap = (alpha - self._bound) / self.surrogate.scale
        return gap >= 0 or math.exp(gap / self._temperature) > self.rng.random()

    def _push(self, alpha: float, candidate: Candidate) -> None:
        self._pushed += 1  # breaks ties in the order of discovery
        heapq.heappush(self._queue, (-alpha, self._pushed, candidate))


def _choose(
    surrogate: Surrogate,
    scored: Sequence[Candidate],
    parts: Sequence[Points],
    count: int,
    beta: float,
) -> list[Draft]:
    """The best of the scored candidates, one after the other, believing in those chosen."""
    chosen: list[Draft] = []
    points = Points.joined(parts) if parts else None
    left = np.ones(len(scored), dtype=bool)
    while points is not None and len(chosen) < count and left.any():
        mean, std = surrogate.posterior(points)
        alphas = np.where(left, confidence_bound(mean, std, beta), -np.inf)
        place = int(alphas.argmax())
        left[place] = False
        best = scored[place]
        chosen.append(
            Draft(
                parent=best.parent,
                morphisms=best.morphisms,
                architecture=best.architecture,
                mean=float(mean[place]),
                std=float(std[place]),
            )
        )
        if len(chosen) < count:
            surrogate = surrogate.believing(points[place : place + 1])
    return chosen
