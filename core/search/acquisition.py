"""The acquisition, and its maximisation over chains of morphisms.

Notation
    μ, σ   the surrogate's mean and standard deviation of a candidate's value
    β      exploration weight
    α      the acquisition (larger is better): μ + β σ, the upper confidence bound; the logarithm of
           the expected improvement or of its probability, less what training is predicted to cost,
           by choice; or the logarithm of the expected gain in hypervolume, where a cost is to be
           small as well
    T      temperature, in units of α: standard deviations of the objective, or nats

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
from scipy.special import erfcx, log_ndtr, ndtr

from core.graph.architecture import Architecture
from core.morphisms import AbstractMorphism, sample
from core.protocol.contracts import Bounds
from core.search.history import PastTrial, Suggestion
from core.search.pareto import Front
from core.similarity.edit_distance import Floats
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

ACQUISITIONS = ("ucb", "log-ei", "log-pi")  # "log-ehvi" is for whoever has a cost
CHILDREN = 32  # of one expansion
DECAY = 0.9  # of T at each expansion
COLDEST = 1e-3  # T stays here for what is left of the budget
OBSERVED_EVERY = 3  # each so-many-th expansion is of an observed network
_ROOT_2PI = math.sqrt(2 * math.pi)
_LEAST_STD = 1e-12
_PATIENCE = 10  # expansions that bring nothing new before all children are looked at
_FAR = -1e6  # standard deviations below the best
_LEAST_COST = 1e-12
_NOTHING = -1e30  # the logarithm of a gain that is zero


@dataclass(frozen=True, slots=True)
class Candidate:
    """An architecture being scored, and how it is reached from a network with weights."""

    parent: PastTrial
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture


def confidence_bound(mean: Floats, std: Floats, beta: float) -> Floats:
    """α = μ + β σ (Srinivas et al. 2010, arXiv:0912.3995)"""
    return mean + beta * std


def log_expected_improvement(mean: Floats, std: Floats, best: float | Floats) -> Floats:
    """log E[max(0, f - best)], exact also where the improvement itself would be rounded to zero.

    Ament et al. 2023 (arXiv:2310.20708, eq. 9): log σ + log h(z), h(z) = φ(z) + z Φ(z).
    """
    std = np.maximum(std, _LEAST_STD)
    z = (mean - best) / std
    near = np.maximum(z, -1.0)
    value = np.log(np.exp(-(near**2) / 2) / _ROOT_2PI + near * ndtr(near))
    below = np.minimum(z, -1.0)
    share = -np.expm1(np.log(erfcx(-below / math.sqrt(2)) * -below) + math.log(math.pi / 2) / 2)
    middle = np.log(np.maximum(share, np.finfo(float).tiny))
    tail = np.where(below > _FAR, middle, -2 * np.log(-below))  # h(z) tends to φ(z) / z²
    return np.log(std) + np.where(z > -1, value, tail - below**2 / 2 - math.log(_ROOT_2PI))


def log_chance_of_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """log P(y > best) of a measured value y, whose deviation contains the noise (Kushner 1964)."""
    return np.asarray(log_ndtr((mean - best) / std))


def log_expected_gain(mean: Floats, std: Floats, log_costs: Floats, front: Front) -> Floats:
    """log E[HV(front and the candidate) - HV(front)], for uncertain values at known costs.

    In two dimensions the gain is a sum over segments of the front, each an improvement on another
    value; so its expectation is a sum of expected improvements (Emmerich, Giannakoglou & Naujoks
    2006, doi:10.1109/TEVC.2005.859463, sec. V; Yang et al. 2019, doi:10.1007/s10898-019-00798-7;
    Ament et al. 2023, arXiv:2310.20708, for the logarithm).
    """
    with np.errstate(divide="ignore"):
        widths = np.log(front.widths(log_costs))  # (n, m + 1); -inf: not there
    gains = log_expected_improvement(mean[:, None], std[:, None], front.levels)
    whole: Floats = np.logaddexp.reduce(widths + gains, axis=1)
    return np.maximum(whole, _NOTHING)


def flops(architecture: Architecture) -> float:
    """Operations of one example: a training's seconds are in proportion, by as many examples."""
    return float(architecture.flops)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What makes a candidate worth training."""

    kind: str = "ucb"  # of ACQUISITIONS, or "log-ehvi"
    beta: float = 1.0  # of "ucb"
    cost_weight: float = 0.0  # but of "ucb"; 1: improvement per predicted second of training
    cost: Callable[[Architecture], float] = flops  # but of "ucb"

    def __call__(
        self, surrogate: Surrogate, points: Points, log_costs: Floats, front: Front
    ) -> Floats:
        """α of points; `front` is that of the means of observed networks."""
        if self.kind == "log-ehvi":
            return log_expected_gain(*surrogate.posterior(points), log_costs, front)
        return self.of_values(surrogate, points) - self.cost_weight * log_costs

    def of_values(self, surrogate: Surrogate, points: Points) -> Floats:
        """α without costs, from what is believed where values are normal.

        The bound is a quantile, so that it may be taken there and told in the metric's unit. An
        improvement is one on the best value seen, not on the best mean, which a surrogate that
        trusts its neighbours has below it. It has the unit of the scale; above the median that
        is the metric's own.
        """
        mean, std = surrogate.standard_posterior(points)
        if self.kind == "ucb":
            return surrogate.warp.inverse(confidence_bound(mean, std, self.beta))
        if self.kind == "log-pi":
            return log_chance_of_improvement(mean, np.hypot(std, surrogate.noise), surrogate.best)
        return log_expected_improvement(mean, std, surrogate.best)

    def log_costs(self, architectures: Sequence[Architecture]) -> Floats:
        """The logarithm of what each costs."""
        return np.log([max(self.cost(one), _LEAST_COST) for one in architectures])

    def unit(self, surrogate: Surrogate) -> float:
        """By how much α differs between networks that are clearly unlike."""
        return surrogate.scale if self.kind == "ucb" else 1.0


def maximise(
    surrogate: Surrogate,
    parents: Sequence[PastTrial],
    excluded: frozenset[str],
    bounds: Bounds,
    rng: np.random.Generator,
    *,
    count: int,
    acquisition: Acquisition,
    candidates: int,
    morphisms: int,
    others: Sequence[PastTrial] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Suggestion]:
    """Up to `count` different architectures of high acquisition, none of them excluded.

    `candidates` are scored, each at most `morphisms` away from a parent. The second and later
    ones are chosen as if the earlier had turned out as expected. `others` are known networks that
    are no parents, as they are pending or have lost their weights: a front has them, too.
    """
    tree = _Tree(surrogate, bounds, rng, acquisition, morphisms, set(excluded))
    tree.plant(parents, others)
    while len(tree.scored) < candidates and tree.expand() and not should_stop():
        pass
    return _choose(tree, count)


@dataclass(slots=True)
class _Tree:
    """The state of one search."""

    surrogate: Surrogate
    bounds: Bounds
    rng: np.random.Generator
    acquisition: Acquisition
    longest: int  # chain of morphisms
    known: set[str]  # fingerprints that are not to be scored (again)
    scored: list[Candidate] = field(default_factory=list)
    parts: list[Points] = field(default_factory=list)
    alphas: list[Floats] = field(default_factory=list)  # of each part
    _queue: list[tuple[float, int, Candidate]] = field(default_factory=list)
    _observed: list[Candidate] = field(default_factory=list)
    front: Front = field(init=False)  # of the means of observed networks
    _bound: float = -math.inf  # the best α of an observed network
    _temperature: float = 1.0
    _expansions: int = 0
    _pushed: int = 0
    _barren: int = 0  # expansions in a row that brought nothing new

    def plant(self, parents: Sequence[PastTrial], others: Sequence[PastTrial]) -> None:
        """Queue the observed networks by their own α."""
        roots = [Candidate(parent, (), parent.architecture) for parent in parents]
        known = [trial.architecture for trial in (*parents, *others)]
        points = self.surrogate.geometry.points(known)
        costs = self.acquisition.log_costs(known)
        self.front = Front.of(self.surrogate.posterior(points)[0], costs)
        own = slice(len(roots))
        alphas = self.acquisition(self.surrogate, points[own], costs[own], self.front)
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
            architectures = [child.architecture for child in children]
            points = self.surrogate.geometry.points(architectures, candidate.architecture)
            alphas = self._alphas(points, architectures)
            self.scored.extend(children)
            self.parts.append(points)
            self.alphas.append(alphas)
            for alpha, child in zip(alphas.tolist(), children, strict=True):
                if len(child.morphisms) < self.longest and self._accepts(alpha):
                    self._push(alpha, child)
        return self._barren < 2 * len(self._observed) + 20

    def _next(self) -> Candidate:
        """The queued network of the highest α; now and then an observed one, best first."""
        if self._barren >= OBSERVED_EVERY:  # nearly all is known: each observed one in turn
            return self._observed[self._barren % len(self._observed)]
        if self._queue and self._expansions % OBSERVED_EVERY:
            return heapq.heappop(self._queue)[2]
        # Geometric over the ranking: mostly the best, sometimes any.
        place = int(self.rng.geometric(min(1.0, 3 / len(self._observed)))) - 1
        return self._observed[place % len(self._observed)]

    def _children(self, candidate: Candidate) -> list[Candidate]:
        fresh = []
        wanted = CHILDREN << min(self._barren, _PATIENCE)  # the few that are left are rarely drawn
        for morphism, child in sample(candidate.architecture, self.bounds, self.rng, wanted):
            if child.fingerprint not in self.known:
                self.known.add(child.fingerprint)
                chain = (*candidate.morphisms, morphism)
                fresh.append(Candidate(candidate.parent, chain, child))
        return fresh

    def _alphas(self, points: Points, architectures: Sequence[Architecture]) -> Floats:
        costs = self.acquisition.log_costs(architectures)
        return self.acquisition(self.surrogate, points, costs, self.front)

    def _accepts(self, alpha: float) -> bool:
        """Better than every observed network, or by chance, less likely the worse and colder."""
        gap = (alpha - self._bound) / self.acquisition.unit(self.surrogate)
        return gap >= 0 or math.exp(gap / self._temperature) > self.rng.random()

    def _push(self, alpha: float, candidate: Candidate) -> None:
        self._pushed += 1  # breaks ties in the order of discovery
        heapq.heappush(self._queue, (-alpha, self._pushed, candidate))


def _choose(tree: _Tree, count: int) -> list[Suggestion]:
    """The best of the scored candidates, one after the other, fantasize in those chosen."""
    chosen: list[Suggestion] = []
    surrogate, scored, front = tree.surrogate, tree.scored, tree.front
    if not scored:
        return chosen
    points, alphas = Points.joined(tree.parts), np.concatenate(tree.alphas)
    costs = tree.acquisition.log_costs([candidate.architecture for candidate in scored])
    left = np.ones(len(scored), dtype=bool)
    while len(chosen) < count and left.any():
        place = int(np.where(left, alphas, -np.inf).argmax())
        left[place] = False
        best = scored[place]
        mean, std = surrogate.posterior(points[place : place + 1])
        chosen.append(
            Suggestion.child(
                best.parent,
                best.morphisms,
                best.architecture,
                predicted_mean=float(mean[0]),
                predicted_std=float(std[0]),
            )
        )
        if len(chosen) < count:
            surrogate = surrogate.fantasize(points[place : place + 1])
            front = front.with_point(float(mean[0]), float(costs[place]))
            alphas = tree.acquisition(surrogate, points, costs, front)
    return chosen
