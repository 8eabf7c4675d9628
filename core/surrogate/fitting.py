"""What a surrogate learns from a history: its landmarks, its scale, its hyper-parameters.

Up to `MAX_LANDMARKS` different architectures are all landmarks, and the process is exact; of more,
half the landmarks are a fair sample of the history and half its best networks.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from core.graph.architecture import Architecture
from core.similarity.distance_cache import Memory, memory
from core.similarity.edit_distance import Floats
from core.surrogate.gaussian_process import RISE, Surrogate, prior
from core.surrogate.kernels import KERNELS, AbstractKernel, Geometry, Points
from core.surrogate.kernels.abstract import sizes
from core.surrogate.learning_curve import LearningCurve
from core.surrogate.likelihood import negative_log_likelihood
from core.surrogate.warp import Warp

MAX_LANDMARKS = 200
DEFAULT_KERNEL = "blend"
_MOST_FITTED = 128  # observations that hyper-parameters are fitted to
_REFIT_FROM, _REFIT_GROWTH = 24, 1.15  # see `scheduled`
_NOISE_CENTER, _NOISE_SPREAD = -1.2, 0.8  # prior of log noise: 0.3 standard deviations
_VAGUENESS_CENTER, _VAGUENESS_SPREAD = -1.6, 0.8  # of log η: 0.2 for each unit of r
_FIRST_SCALE = 0.05  # of values that are rates, until two differ
_EVALUATIONS = 60  # of the posterior density and its slope, while fitting
_OUT_OF_EVALUATIONS = 1  # what the optimiser says then
_ASIDE = 0.5  # deviation of the second start, in those of the prior

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observation:
    """An architecture and its value, told to the surrogate."""

    architecture: Architecture
    value: float  # larger is better
    std: float = 0.0  # the value's known standard error
    fidelity: float = 1.0  # the share of its training after which it was measured, in (0, 1]


def fit(
    observations: Sequence[Observation],
    kernel: str = DEFAULT_KERNEL,
    landmarks: Sequence[Architecture] = (),
    learned_from: int | None = None,
) -> Surrogate:
    """The surrogate of the observations, its hyper-parameters the mode of their posterior.

    They and the scale are learned from all, or from the first `learned_from`: with `scheduled` a
    search learns them anew only each time it has grown by a share. The newest become landmarks at
    once, while there are few enough for all to be. `landmarks` are further architectures to measure
    from while observations are few. Well defined for none or one, for equal ones, equal values.
    """
    first = len(observations) if learned_from is None else learned_from
    further = tuple(landmarks) if len(observations) < _REFIT_FROM else ()
    empty, theta = _learned(kernel, tuple(observations[:first]), further, memory())
    if not observations:
        return empty
    architectures = [one.architecture for one in observations]
    newest = _strangers(architectures[first:], empty.geometry.architectures)
    if newest and len(empty.geometry.landmarks) + len(newest) <= MAX_LANDMARKS:
        geometry = empty.geometry.with_landmarks(newest)
        empty = empty.over(geometry, KERNELS[kernel].at(theta, geometry))
    empty.geometry.remember(architectures)
    columns = np.array([(one.value, one.std, one.fidelity) for one in observations])
    return empty.told(empty.geometry.points(architectures), *columns.T)


def scheduled(n: int) -> int:
    """From how many of n observations a search learns hyper-parameters: nearly all."""
    last = min(n, _REFIT_FROM)
    while (reached := int(np.ceil(last * _REFIT_GROWTH))) <= n and last:
        last = reached
    return last


@lru_cache(maxsize=8)
def _learned(
    kernel: str,
    observations: tuple[Observation, ...],
    landmarks: tuple[Architecture, ...],
    remembered: Memory,  # of this thread: its geometry is no other's
) -> tuple[Surrogate, Floats]:
    """The surrogate before it is told anything, as learned from these observations, and its θ.

    Kept for the next suggestions of a search, which ask for the same.
    """
    values = np.array([one.value for one in observations], dtype=np.float64)
    stds = np.array([one.std for one in observations], dtype=np.float64)
    late = -np.log([one.fidelity for one in observations])
    architectures = [one.architecture for one in observations]
    kind = KERNELS[kernel]
    owners = [one.fingerprint for one in architectures]
    curve = LearningCurve.of(values, late, sizes(architectures), owners, _FIRST_SCALE)
    ends = curve.at_end(values, late)
    even, best = _choose_landmarks(architectures, ends)
    chosen = [architectures[place] for place in (*even, *best)]
    geometry = Geometry([*chosen, *_strangers(landmarks, chosen)], kind.measures)
    geometry.remember(architectures)
    warp = Warp.of(ends, _FIRST_SCALE)
    variance = (stds * curve.slope(late) * warp.slope(ends)) ** 2
    fair = {architectures[place].fingerprint for place in even}
    told = [place for place, one in enumerate(architectures) if one.fingerprint in fair]
    points = geometry.points([architectures[place] for place in told])
    y, rest = warp(ends)[told], curve.remaining(late)[told]
    theta = _fit_theta(kind, geometry, points, y, variance[told], rest)
    *_, noise, vagueness = np.exp(theta).tolist()
    kernel_ = kind.at(theta[:-2], geometry)
    own = {"noise": noise, "vagueness": vagueness}
    return prior(geometry, kernel_, **own, curve=curve, warp=warp), theta[:-2]


def _choose_landmarks(
    architectures: Sequence[Architecture], values: Floats
) -> tuple[list[int], list[int]]:
    """Places of distinct architectures: some evenly from first to latest, and the best others.

    The even ones are a fair sample of the history, which hyper-parameters can be fitted to; the
    best are those whose relatives a search has to tell apart.
    """
    first = {one.fingerprint: place for place, one in reversed([*enumerate(architectures)])}
    places = sorted(first.values())
    if len(places) <= MAX_LANDMARKS:
        return places, []
    even = [places[k] for k in _evenly(len(places), MAX_LANDMARKS // 2)]
    others = sorted({*places} - {*even}, key=lambda place: (-values[place], place))
    return even, others[: MAX_LANDMARKS - len(even)]


def _strangers(
    architectures: Sequence[Architecture], known: Sequence[Architecture]
) -> list[Architecture]:
    """Those that are not known, each once."""
    names = {one.fingerprint for one in known}
    return list(
        {one.fingerprint: one for one in architectures if one.fingerprint not in names}.values()
    )


def _evenly(n: int, most: int) -> list[int]:
    """Up to `most` of n places: the first, the last, and evenly between."""
    return sorted({*np.linspace(0, n - 1, min(n, most)).round().astype(int).tolist()})


def _fit_theta(
    kind: type[AbstractKernel],
    geometry: Geometry,
    points: Points,
    y: Floats,
    variance: Floats,
    rest: Floats,
) -> Floats:
    """The mode of the posterior density of θ, log noise and log η (MAP); the prior's without data.

    `points` are landmarks, some perhaps several times: repeated looks tell the noise.
    """
    centers = np.array([*kind.centers, _NOISE_CENTER, _VAGUENESS_CENTER])
    spreads = np.array([*kind.spreads, _NOISE_SPREAD, _VAGUENESS_SPREAD])
    if len(points) < 3:
        return centers
    chosen = _evenly(len(points), _MOST_FITTED)
    y, places = y[chosen], geometry.places(points)[chosen]
    measured = geometry.landmarks[places].between(places)
    known = np.diag(variance[chosen]) + RISE**2 * np.outer(rest[chosen], rest[chosen])

    shares = np.array([np.ones(len(y)), rest[chosen] ** 2])  # of noise² and η² in a variance

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
    """Where the loss of p numbers is least, from the prior's mode; else from another start.

    A descent that ended in failure, or where the loss is no number, is tried once more from a
    place drawn near the mode; the better end counts.
    """
    ends = [_descended(loss, np.zeros(p))]
    if not ends[0].success:
        log.warning("hyper-parameters: %s; trying another start", ends[0].message)
        ends.append(_descended(loss, np.random.default_rng(0).normal(0, _ASIDE, p)))
    found = min(ends, key=lambda end: end.fun if np.isfinite(end.fun) else np.inf)
    return np.asarray(found.x) if np.isfinite(found.fun) else np.zeros(p)


def _descended(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> OptimizeResult:
    """The end of a descent; one that ran out of evaluations has come far enough."""
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
