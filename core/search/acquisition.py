"""The acquisition, and its maximisation over chains of morphisms.

Notation
    μ, σ   the surrogate's mean and standard deviation of a candidate's value
    β      exploration weight
    α      the acquisition (larger is better): μ + β σ, the upper confidence bound; or the logarithm
           of the expected improvement or of its probability, less the logarithm of a predicted
           cost of training; or, where a cost is minimised alongside the metric, the logarithm of
           the expected gain in hypervolume; or, where a value is to be kept, the logarithm of
           the saving of cost times the probability that it is
    t      the least value that counts as kept
    T      temperature, in units of α: standard deviations of the objective, or nats

The search is Algorithm 1 of Jin, Song & Hu 2019 (arXiv:1806.10282), best first with simulated
annealing, corrected: observed networks are queued by their own α and not by their value; the best
candidate is tracked apart from the bound that decides acceptance; T has the unit of α; networks
tried or scored before are excluded by fingerprint; a budget of candidates ends the search, and
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
from core.protocol.contracts.bounds import Bounds
from core.search.history import PastTrial, Suggestion
from core.search.pareto import Front
from core.similarity.edit_distance import Floats
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Points

CHILDREN = 32  # of one expansion
DECAY = 0.9  # of T at each expansion
COLDEST = 1e-3  # least T, in units of α
OBSERVED_EVERY = 3  # every third expansion starts from an observed network
_ROOT_2PI = math.sqrt(2 * math.pi)
_LEAST_STD = 1e-12
_PATIENCE = 10  # stalled expansions after which the number of drawn children no longer doubles
_FAR = -1e6  # z from which on the tail of h has its asymptotic form
_LEAST_COST = 1e-12
_SAVING_BEND = 0.1  # nats of cost, within which a saving of zero is smoothed
_LOG_ZERO = -1e30  # in place of the logarithm of a gain that is zero


@dataclass(frozen=True, slots=True)
class Candidate:
    """An architecture being scored, with the chain of morphisms from a network with weights."""

    parent: PastTrial
    morphisms: tuple[AbstractMorphism, ...]
    architecture: Architecture


def confidence_bound(mean: Floats, std: Floats, beta: float) -> Floats:
    """The upper confidence bound μ + β σ (Srinivas et al. 2010, arXiv:0912.3995), (n,)."""
    return mean + beta * std


def log_expected_improvement(mean: Floats, std: Floats, best: float | Floats) -> Floats:
    """log E[max(0, f - best)], also where the improvement itself would be rounded to zero.

    Ament et al. 2023 (arXiv:2310.20708, eq. 9): log σ + log h(z), h(z) = φ(z) + z Φ(z), with
    z = (μ - best) / σ. Shapes broadcast: (n,), (n,), () -> (n,).
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
    """log P(y > best) of a measured value y, noise included in `std` (Kushner 1964).

    (n,), (n,), () -> (n,)
    """
    return np.asarray(log_ndtr((mean - best) / std))


def log_expected_gain(mean: Floats, std: Floats, log_costs: Floats, front: Front) -> Floats:
    """log E[HV(front and the candidate) - HV(front)], for uncertain values at known costs.

    In two dimensions the gain is a sum over segments of the front, each an improvement on another
    value; so its expectation is a sum of expected improvements (Emmerich, Giannakoglou & Naujoks
    2006, doi:10.1109/TEVC.2005.859463, sec. V; Yang et al. 2019, doi:10.1007/s10898-019-00798-7;
    Ament et al. 2023, arXiv:2310.20708, for the logarithm). (n,), (n,), (n,) -> (n,)
    """
    with np.errstate(divide="ignore"):
        widths = np.log(front.widths(log_costs))  # (n, m + 1); -inf: an empty segment
    gains = log_expected_improvement(mean[:, None], std[:, None], front.levels)
    total: Floats = np.logaddexp.reduce(widths + gains, axis=1)
    return np.maximum(total, _LOG_ZERO)


def log_expected_saving(
    chance: Floats, log_costs: Floats, levels: Floats, known_log_costs: Floats, least: float
) -> Floats:
    """log of P(f ≥ t) times the saving of cost, for uncertain values at known costs.

    The saving is in nats of the cost of the cheapest known network that keeps the value, and
    smoothed, so that α also orders networks that save nothing. This is expected improvement under
    an uncertain constraint (Schonlau, Welch & Jones 1998, doi:10.1214/lnms/1215456182; Gardner et
    al. 2014, eq. 8) with a known objective. `chance` holds log P, (n,); `levels` and
    `known_log_costs` are those of the known networks, (m,) -> (n,).
    """
    keeping = known_log_costs[levels >= least]
    cheapest = keeping.min() if len(keeping) else known_log_costs.max()
    saving = _SAVING_BEND * np.logaddexp(0, (cheapest - log_costs) / _SAVING_BEND)
    return np.asarray(chance + np.log(np.maximum(saving, np.finfo(float).tiny)))


def flops(architecture: Architecture) -> float:
    """Operations for one example; the seconds of a training are about in proportion."""
    return float(architecture.flops)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How much a candidate is worth training."""

    kind: str = "ucb"  # or "log-ei", "log-pi", "log-ehvi", "log-saving"
    beta: float = 1.0  # β, for "ucb" only
    cost_weight: float = 0.0  # not for "ucb"; 1: improvement per predicted second of training
    cost: Callable[[Architecture], float] = flops  # not for "ucb"
    least: float = 0.0  # t, for "log-saving" only

    def __call__(
        self, surrogate: Surrogate, points: Points, log_costs: Floats, front: Front
    ) -> Floats:
        """α of points, given the front of the observed networks' means: (n), (n,) -> (n,)"""
        if self.kind == "log-ehvi":
            return log_expected_gain(*surrogate.posterior(points), log_costs, front)
        if self.kind == "log-saving":
            return self._saving(surrogate, points, log_costs, front)
        return self.of_values(surrogate, points) - self.cost_weight * log_costs

    def _saving(
        self, surrogate: Surrogate, points: Points, log_costs: Floats, front: Front
    ) -> Floats:
        mean, std = surrogate.standard_posterior(points)
        least = surrogate.warp(np.array([self.least]))
        chance = log_ndtr((mean - least) / np.maximum(std, _LEAST_STD))
        return log_expected_saving(chance, log_costs, front.values, front.log_costs, self.least)

    def of_values(self, surrogate: Surrogate, points: Points) -> Floats:
        """α without costs, from the posterior on the scale of `warp`, where values are normal.

        The bound is a quantile, so it is computed there and converted to the unit of the metric.
        Improvement is over the best observed value, not over the best posterior mean, which
        shrinkage puts below it; its unit is that of the scale, (n) -> (n,).
        """
        mean, std = surrogate.standard_posterior(points)
        if self.kind == "ucb":
            return surrogate.warp.inverse(confidence_bound(mean, std, self.beta))
        if self.kind == "log-pi":
            return log_chance_of_improvement(mean, np.hypot(std, surrogate.noise), surrogate.best)
        return log_expected_improvement(mean, std, surrogate.best)

    def log_costs(self, architectures: Sequence[Architecture]) -> Floats:
        """The logarithm of each cost, bounded from below: (n,)"""
        return np.log([max(self.cost(one), _LEAST_COST) for one in architectures])

    def unit(self, surrogate: Surrogate) -> float:
        """The unit of α: differences of this size are between clearly different networks."""
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

    At least `candidates` are scored unless fewer can be reached, each at most `morphisms` away
    from a parent. The second and later suggestions are chosen as if the earlier ones had turned
    out as expected. `others` are known networks that cannot be parents, as they are pending or
    have lost their weights; they count in the front.
    """
    tree = _Tree(surrogate, bounds, rng, acquisition, morphisms, set(excluded))
    tree.plant(parents, others)
    while len(tree.scored) < candidates and tree.expand() and not should_stop():
        pass
    return _choose(tree, count)


@dataclass(slots=True)
class _Tree:
    """The state of one acquisition search."""

    surrogate: Surrogate
    bounds: Bounds
    rng: np.random.Generator
    acquisition: Acquisition
    max_chain_length: int  # in morphisms
    known: set[str]  # fingerprints that are excluded or scored already
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
    _stalled_expansions: int = 0  # in a row, without a new candidate

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
        self._observed = [roots[index] for index in order]
        self._bound = float(alphas.max())
        for index in order:
            self._push(float(alphas[index]), roots[index])

    def expand(self) -> bool:
        """Score some children of one queued network; False when nothing new seems to be left."""
        candidate = self._next()
        self._expansions += 1
        self._temperature = max(COLDEST, self._temperature * DECAY)
        children = self._children(candidate)
        self._stalled_expansions = 0 if children else self._stalled_expansions + 1
        if children:
            architectures = [child.architecture for child in children]
            points = self.surrogate.geometry.points(architectures, candidate.architecture)
            alphas = self._alphas(points, architectures)
            self.scored.extend(children)
            self.parts.append(points)
            self.alphas.append(alphas)
            for alpha, child in zip(alphas.tolist(), children, strict=True):
                if len(child.morphisms) < self.max_chain_length and self._accepts(alpha):
                    self._push(alpha, child)
        return self._stalled_expansions < 2 * len(self._observed) + 20

    def _next(self) -> Candidate:
        """The queued network of the highest α; at every third expansion an observed one."""
        if (
            self._stalled_expansions >= OBSERVED_EVERY
        ):  # little is left: each observed network in turn
            return self._observed[self._stalled_expansions % len(self._observed)]
        if self._queue and self._expansions % OBSERVED_EVERY:
            return heapq.heappop(self._queue)[2]
        # Geometric over the ranking: mostly the best, sometimes any.
        rank = int(self.rng.geometric(min(1.0, 3 / len(self._observed)))) - 1
        return self._observed[rank % len(self._observed)]

    def _children(self, candidate: Candidate) -> list[Candidate]:
        """New children of a candidate; more are drawn while none turns out to be new."""
        new = []
        drawn = CHILDREN << min(self._stalled_expansions, _PATIENCE)
        for morphism, child in sample(candidate.architecture, self.bounds, self.rng, drawn):
            if child.fingerprint not in self.known:
                self.known.add(child.fingerprint)
                chain = (*candidate.morphisms, morphism)
                new.append(Candidate(candidate.parent, chain, child))
        return new

    def _alphas(self, points: Points, architectures: Sequence[Architecture]) -> Floats:
        costs = self.acquisition.log_costs(architectures)
        return self.acquisition(self.surrogate, points, costs, self.front)

    def _accepts(self, alpha: float) -> bool:
        """Whether to queue a candidate: surely if better than every observed network.

        A worse one with probability exp(-gap / T), the gap in units of α (Metropolis).
        """
        gap = (alpha - self._bound) / self.acquisition.unit(self.surrogate)
        return gap >= 0 or math.exp(gap / self._temperature) > self.rng.random()

    def _push(self, alpha: float, candidate: Candidate) -> None:
        self._pushed += 1  # breaks ties in the order of discovery
        heapq.heappush(self._queue, (-alpha, self._pushed, candidate))


def _choose(tree: _Tree, count: int) -> list[Suggestion]:
    """The best scored candidates one after the other, each given fantasies of those before."""
    chosen: list[Suggestion] = []
    surrogate, scored, front = tree.surrogate, tree.scored, tree.front
    if not scored:
        return chosen
    points, alphas = Points.joined(tree.parts), np.concatenate(tree.alphas)
    costs = tree.acquisition.log_costs([candidate.architecture for candidate in scored])
    left = np.ones(len(scored), dtype=bool)
    while len(chosen) < count and left.any():
        index = int(np.where(left, alphas, -np.inf).argmax())
        left[index] = False
        best = scored[index]
        mean, std = surrogate.posterior(points[index : index + 1])
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
            surrogate = surrogate.fantasize(points[index : index + 1])
            front = front.with_point(float(mean[0]), float(costs[index]))
            alphas = tree.acquisition(surrogate, points, costs, front)
    return chosen
