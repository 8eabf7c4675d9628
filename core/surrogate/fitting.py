"""Fitting a surrogate to a history: its landmarks, its scale, its hyper-parameters.

Notation
    θ      logarithms of the kernel's hyper-parameters, of the noise and of η
    z      θ in prior standard deviations from its prior mean: a standard normal vector
    t      -log of the share of its training after which a value was measured; shape (n,)
    r      how much of its rise was still to come then; shape (n,)
    y      values at the end of a training, on the scale of `warp`; shape (n,)

Up to `MAX_LANDMARKS` different architectures are all landmarks, and the process is exact. Of more,
half the landmarks are a fair sample of the history and half its best networks.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from core.graph.architecture import Architecture
from core.similarity.distance_cache import Memory, memory
from core.similarity.edit_distance import Floats
from core.surrogate import DEFAULT_KERNEL, FEWEST_VALUES
from core.surrogate.gaussian_process import RISE, Surrogate, prior
from core.surrogate.kernels import KERNELS, AbstractKernel, Geometry, Points
from core.surrogate.kernels.abstract import sizes
from core.surrogate.learning_curve import LearningCurve
from core.surrogate.likelihood import negative_log_likelihood
from core.surrogate.prior_mean import WEIGHT, WEIGHT_STD, PriorMean
from core.surrogate.warp import Warp

MAX_LANDMARKS = 200
_MOST_FITTED = 128  # observations that hyper-parameters are fitted to
_REFIT_FROM, _REFIT_GROWTH = 24, 1.15  # observations, and their growth between two fits
_NOISE_CENTER, _NOISE_SPREAD = -1.2, 0.8  # prior of log noise: 0.3 standard deviations
_VAGUENESS_CENTER, _VAGUENESS_SPREAD = -1.6, 0.8  # of log η: 0.2 for each unit of r
_FIRST_SCALE = 0.05  # of values that are shares, until two differ
_EVALUATIONS = 60  # of the loss and its gradient, at most
_OUT_OF_EVALUATIONS = 1  # the optimiser's status then
_RESTART_STD = 0.5  # of z at the second start

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observation:
    """An architecture and its measured value."""

    architecture: Architecture
    value: float  # larger is better
    std: float = 0.0  # the value's known standard error
    fidelity: float = 1.0  # the share of its training after which it was measured, in (0, 1]


def fit(
    observations: Sequence[Observation],
    kernel: str = DEFAULT_KERNEL,
    landmarks: Sequence[Architecture] = (),
    learned_from: int | None = None,
    prior_mean: PriorMean | None = None,
) -> Surrogate:
    """The surrogate of the observations, its hyper-parameters the mode of their posterior.

    Hyper-parameters and scale are fitted to all observations, or to the first `learned_from`: with
    `scheduled` a search fits them again only when it has grown by a share. New observations become
    landmarks at once, as long as all fit among `MAX_LANDMARKS`. `landmarks` are further
    architectures to measure from while observations are few. Kernels that do not see the form of
    graphs have no `prior_mean`. Defined for any observations: none, one, several of one
    architecture, equal values.
    """
    first = len(observations) if learned_from is None else learned_from
    further = tuple(landmarks) if len(observations) < _REFIT_FROM else ()
    mean = prior_mean if "form" in KERNELS[kernel].measures else None
    empty, theta = _fitted_prior(kernel, tuple(observations[:first]), further, mean, memory())
    if not observations:
        return empty
    architectures = [one.architecture for one in observations]
    newest = _without(architectures[first:], empty.geometry.architectures)
    if newest and len(empty.geometry.landmarks) + len(newest) <= MAX_LANDMARKS:
        geometry = empty.geometry.with_landmarks(newest)
        empty = empty.over(geometry, KERNELS[kernel].at(theta, geometry))
    empty.geometry.remember(architectures)
    columns = np.array([(one.value, one.std, one.fidelity) for one in observations])
    return empty.condition_on(empty.geometry.points(architectures), *columns.T)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The scale on which the surrogate sees values: at the end of a training, and standardised."""

    curve: LearningCurve
    warp: Warp
    t: Floats
    ends: Floats  # values as expected at the end of a training; shape (n,)

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> Self:
        """The scale of these observations."""
        values = np.array([one.value for one in observations], dtype=np.float64)
        t = -np.log([one.fidelity for one in observations])
        architectures = [one.architecture for one in observations]
        owners = [one.fingerprint for one in architectures]
        curve = LearningCurve.of(values, t, sizes(architectures), owners, _FIRST_SCALE)
        ends = curve.at_end(values, t)
        stds = curve.slope(t) * [one.std for one in observations]
        noise = float(np.sqrt(np.mean(stds**2))) if len(stds) else 0.0
        return cls(curve, Warp.of(ends, _FIRST_SCALE, noise), t, ends)


def learn_prior_mean(searches: Sequence[Sequence[Observation]]) -> PriorMean | None:
    """What finished searches have in common; None where there are too few of them."""
    return PriorMean.of([_standardised(one) for one in searches if len(one) >= FEWEST_VALUES])


def _standardised(observations: Sequence[Observation]) -> tuple[list[Architecture], Floats]:
    """The architectures, and their values on the scale of the surrogate: (n), (n,)"""
    scale = _Scale.of(observations)
    return [one.architecture for one in observations], scale.warp(scale.ends)


def scheduled(n: int) -> int:
    """To how many of n observations a search fits hyper-parameters: nearly all of them.

    All while there are at most `_REFIT_FROM`, then the largest number of a geometric sequence.
    """
    last = min(n, _REFIT_FROM)
    while (following := int(np.ceil(last * _REFIT_GROWTH))) <= n and last:
        last = following
    return last


@lru_cache(maxsize=8)
def _fitted_prior(
    kernel: str,
    observations: tuple[Observation, ...],
    landmarks: tuple[Architecture, ...],
    prior_mean: PriorMean | None,
    thread_memory: Memory,  # a key: the geometry of one thread is not for another
) -> tuple[Surrogate, Floats]:
    """The surrogate before any observation, its hyper-parameters fitted, and the kernel's θ.

    Cached, as the next suggestions of a search ask for the same.
    """
    architectures = [one.architecture for one in observations]
    kind = KERNELS[kernel]
    scale = _Scale.of(observations)
    curve, warp, t, ends = scale.curve, scale.warp, scale.t, scale.ends
    even, best = _choose_landmarks(architectures, ends)
    chosen = [architectures[index] for index in (*even, *best)]
    geometry = Geometry([*chosen, *_without(landmarks, chosen)], kind.measures)
    geometry.remember(architectures)
    stds = np.array([one.std for one in observations], dtype=np.float64)
    variance = (stds * curve.slope(t) * warp.slope(ends)) ** 2
    fair = {architectures[index].fingerprint for index in even}
    sample = [index for index, one in enumerate(architectures) if one.fingerprint in fair]
    points = geometry.points([architectures[index] for index in sample])
    y, r = warp(ends)[sample], curve.remaining(t)[sample]
    mean = np.zeros(len(y))
    if prior_mean is not None:
        mean = geometry.slope(points, prior_mean.slopes)
    theta = _fit_theta(kind, geometry, points, y, variance[sample], r, mean)
    *_, noise, vagueness = np.exp(theta).tolist()
    fitted = kind.at(theta[:-2], geometry)
    own = {"noise": noise, "vagueness": vagueness}
    empty = prior(geometry, fitted, **own, curve=curve, warp=warp, prior_mean=prior_mean)
    return empty, theta[:-2]


def _choose_landmarks(
    architectures: Sequence[Architecture], values: Floats
) -> tuple[list[int], list[int]]:
    """Indices of distinct architectures: some evenly from first to latest, and the best others.

    The even ones are a fair sample of the history, to which hyper-parameters can be fitted. The
    best are those whose relatives a search has to tell apart.
    """
    first = {one.fingerprint: index for index, one in reversed([*enumerate(architectures)])}
    indices = sorted(first.values())
    if len(indices) <= MAX_LANDMARKS:
        return indices, []
    even = [indices[k] for k in _evenly(len(indices), MAX_LANDMARKS // 2)]
    others = sorted({*indices} - {*even}, key=lambda index: (-values[index], index))
    return even, others[: MAX_LANDMARKS - len(even)]


def _without(
    architectures: Sequence[Architecture], known: Sequence[Architecture]
) -> list[Architecture]:
    """The architectures that are not known, each once."""
    names = {one.fingerprint for one in known}
    return list(
        {one.fingerprint: one for one in architectures if one.fingerprint not in names}.values()
    )


def _evenly(n: int, most: int) -> list[int]:
    """Up to `most` of n indices: the first, the last, and evenly between."""
    return sorted({*np.linspace(0, n - 1, min(n, most)).round().astype(int).tolist()})


def _fit_theta(
    kind: type[AbstractKernel],
    geometry: Geometry,
    points: Points,
    y: Floats,
    variance: Floats,
    r: Floats,
    mean: Floats,
) -> Floats:
    """The mode of the posterior density of θ (MAP); the prior's mode of fewer than three points.

    (n), (n,), (n,), (n,), (n,) -> (len(θ),): points, which are landmarks, their y, its known
    variances, r, and m, the prior mean. Points that come several times show the noise.
    """
    centers = np.array([*kind.centers, _NOISE_CENTER, _VAGUENESS_CENTER])
    spreads = np.array([*kind.spreads, _NOISE_SPREAD, _VAGUENESS_SPREAD])
    if len(points) < 3:
        return centers
    chosen = _evenly(len(points), _MOST_FITTED)
    y, r, m = y[chosen], r[chosen], mean[chosen]
    indices = geometry.landmark_indices(points)[chosen]
    measured = geometry.landmarks[indices].between(indices)
    y = y - WEIGHT * m
    known = np.diag(variance[chosen]) + RISE**2 * np.outer(r, r) + WEIGHT_STD**2 * np.outer(m, m)
    shares = np.array([np.ones(len(y)), r**2])  # of noise² and η² in a variance

    def loss(z: Floats) -> tuple[float, Floats]:
        theta = centers + spreads * z
        matrix, slopes = kind.gram(theta[:-2], geometry, measured)
        noises = np.exp(2 * theta[-2:])[:, None] * shares
        matrix = matrix + known
        matrix[np.diag_indices(len(y))] += noises.sum(axis=0)
        value, slope = negative_log_likelihood(matrix, y, slopes, 2 * noises)
        return value + float(z @ z) / 2, spreads * slope + z

    return np.asarray(centers + spreads * _mode(loss, len(centers)))


def _mode(loss: Callable[[Floats], tuple[float, Floats]], p: int) -> Floats:
    """The minimum of a loss of p numbers, found from the prior's mode: (p,)

    A minimisation that failed is tried once more from a random start near the mode, and the better
    end counts. Where no end has a finite loss it is the prior's mode.
    """
    ends = [_minimised(loss, np.zeros(p))]
    if not ends[0].success:
        log.warning("fitting hyper-parameters failed: %s; trying another start", ends[0].message)
        ends.append(_minimised(loss, np.random.default_rng(0).normal(0, _RESTART_STD, p)))
    found = min(ends, key=lambda end: end.fun if np.isfinite(end.fun) else np.inf)
    return np.asarray(found.x) if np.isfinite(found.fun) else np.zeros(p)


def _minimised(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> OptimizeResult:
    """The end of a minimisation; one that ran out of evaluations counts as a success."""
    end = minimize(
        loss,
        start,
        method="L-BFGS-B",
        jac=True,
        bounds=[(-3.0, 3.0)] * len(start),
        options={"maxfun": _EVALUATIONS},
    )
    end.success = end.success or end.status == _OUT_OF_EVALUATIONS
    return end
