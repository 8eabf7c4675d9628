"""The surrogate: a Gaussian process over architectures (Rasmussen & Williams 2006, ch. 2).

Notation
    y      observed values as `core.warp` sees them, one for each architecture seen; shape (n,)
    t      -log of the share of its training after which a value was measured; shape (n,)
    Ψ      features of the observed architectures, τ t beside them; shape (n, p + 1)
    ρ      remainders of the kernel; shape (n,)
    s      noise variances: fitted noise, each value's own, and (η t)²; shape (n,)
    A      I + Ψᵀ diag(ρ + s)⁻¹ Ψ, the precision of the features' weights; shape (p + 1, p + 1)
    S      A⁻¹, their covariance
    w      S Ψᵀ diag(ρ + s)⁻¹ y, their mean; shape (p + 1,)

The kernel is a product of features plus what is an architecture's own, so that the process is a
Bayesian linear model (ibid., ch. 2.1) with one more variable for each architecture:

    mean = χᵀ w + g y,  variance = χᵀ S χ + ρ (1 - g),  χ = (ψ, 0) - g ψ_seen

with g = ρ / (ρ + s) and ψ_seen its row of Ψ for an architecture that was observed, g = 0 for any
other. This is the exact process, in O(n p²) where its n × n matrix would cost O(n³). With up to
`MAX_LANDMARKS` different architectures each is a landmark, and features leave (almost) nothing
out; beyond, landmarks are inducing points (Snelson & Ghahramani 2006). One more value changes S by
a matrix of rank one, in O(p²) (Sherman & Morrison 1950; Woodbury 1950).

A value measured before its training's end lies below what it would have become by τ t times a
slope that the history tells, and says less of it the larger t is: so early-stopped trials inform.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.optimize import minimize
from scipy.stats import norm

from core.architecture import Architecture
from core.distance import Floats
from core.kernels import KERNELS, AbstractKernel, Geometry, Points
from core.likelihood import negative_log_likelihood
from core.measures import Memory, memory
from core.warp import Warp

MAX_LANDMARKS = 200
DEFAULT_KERNEL = "blend"
_MOST_FITTED = 128  # observations that hyper-parameters are fitted to
_REFIT_FROM, _REFIT_GROWTH = 24, 1.15  # see `scheduled`
_NOISE_CENTER, _NOISE_SPREAD = -1.6, 0.8  # prior of log noise: 0.2 standard deviations
_LEAST_NOISE = 1e-3  # standard deviations
_FIRST_SCALE = 0.05  # of values that are rates, until two differ
_EVALUATIONS = 60  # of the posterior density and its slope, while fitting
_RISE = 0.5  # τ, standard deviations of the slope of values in t
_FEW = 0.2  # as a share of p: observations that are less work to add than to start anew
_VAGUENESS = 0.3  # η, standard deviations of noise for each unit of t


@dataclass(frozen=True, slots=True)
class Observation:
    """An architecture and its value, told to the surrogate."""

    architecture: Architecture
    value: float  # larger is better
    std: float = 0.0  # the value's known standard error
    fidelity: float = 1.0  # the share of its training after which it was measured, in (0, 1]


@dataclass(frozen=True, slots=True)
class _Told:
    """What was observed, each architecture once: several looks count as one surer look."""

    places: dict[str, int]  # by fingerprint
    features: Floats  # Ψ
    remainder: Floats  # ρ
    noise: Floats  # s
    values: Floats  # y

    def after(
        self, points: Points, features: Floats, remainder: Floats, values: Floats, noise: Floats
    ) -> "_Told":
        """With more observations; of several looks at one architecture the features mix alike."""
        places = dict(self.places)
        rows = [places.setdefault(str(name), len(places)) for name in points.names]
        more = len(places) - len(self.places)
        grown = _Told(
            places,
            np.concatenate([self.features, np.zeros((more, features.shape[1]))]),
            np.concatenate([self.remainder, np.zeros(more)]),
            np.concatenate([self.noise, np.full(more, np.inf)]),
            np.concatenate([self.values, np.zeros(more)]),
        )
        for row, psi, rho, value, variance in zip(
            rows, features, remainder, values, noise, strict=True
        ):
            share = 1.0 if np.isinf(grown.noise[row]) else 1 / (1 + variance / grown.noise[row])
            grown.values[row] += share * (value - grown.values[row])
            grown.features[row] += share * (psi - grown.features[row])
            grown.noise[row] = share * variance
            grown.remainder[row] = rho
        return grown

    def evidence(self, rows: NDArray[np.intp]) -> "_Evidence":
        """What some observed architectures say of the features' weights."""
        weights = 1 / (self.remainder[rows] + self.noise[rows])
        return _Evidence(self.features[rows], weights, self.values[rows])


class _Evidence(NamedTuple):
    features: Floats  # rows of Ψ
    weights: Floats  # 1 / (ρ + s)
    values: Floats  # y


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is believed of every architecture's value."""

    geometry: Geometry
    kernel: AbstractKernel
    noise: float  # fitted, in standard deviations of the objective
    warp: Warp
    told_so_far: _Told
    precision: Floats  # A
    covariance: Floats  # S
    pull: Floats  # Ψᵀ diag(ρ + s)⁻¹ y
    _mean: Floats = field(init=False)  # w

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mean", self.covariance @ self.pull)

    def __len__(self) -> int:
        """How many different architectures were observed."""
        return len(self.told_so_far.values)

    @property
    def scale(self) -> float:
        """A standard deviation of the objective, in its unit."""
        return self.warp.scale

    def posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Median and standard deviation of the noise-free value, in its units: (n) -> 2 × (n,)"""
        mean, std = self.standard_posterior(points)
        high, low = self.warp.inverse(mean + std), self.warp.inverse(mean - std)
        return self.warp.inverse(mean), (high - low) / 2

    def standard_posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free value as the process sees it."""
        features, remainder = self._seen(points, np.zeros(len(points)))
        told = self.told_so_far
        rows = np.array([told.places.get(str(name), -1) for name in points.names], dtype=np.intp)
        seen = np.flatnonzero(rows >= 0)
        rows = rows[seen]
        gain = np.zeros(len(points))
        gain[seen] = told.remainder[rows] / (told.remainder[rows] + told.noise[rows])
        features[seen] -= gain[seen, None] * told.features[rows]
        mean = features @ self._mean
        mean[seen] += gain[seen] * told.values[rows]
        variance = np.einsum("ij,ij->i", features @ self.covariance, features)
        return mean, np.sqrt(np.maximum(variance, 0.0) + remainder * (1 - gain))

    def interval(self, points: Points, share: float) -> tuple[Floats, Floats]:
        """Between which ends a measured value lies with probability `share`: (n) -> 2 × (n,)"""
        mean, std = self.standard_posterior(points)
        far = float(norm.ppf((1 + share) / 2)) * np.hypot(std, self.noise)
        return self.warp.inverse(mean - far), self.warp.inverse(mean + far)

    def log_density(self, points: Points, values: Floats) -> Floats:
        """Of measured values, per unit of the metric: (n), (n,) -> (n,)"""
        mean, std = self.standard_posterior(points)
        density = norm.logpdf(self.warp(values), mean, np.hypot(std, self.noise))
        return np.asarray(density + np.log(self.warp.slope(values)))

    def told(
        self, points: Points, values: Floats, stds: Floats, fidelities: Floats | None = None
    ) -> "Surrogate":
        """The surrogate after more observations, hyper-parameters unchanged; O(p²) for each."""
        late = np.zeros(len(points)) if fidelities is None else -np.log(fidelities)
        variance = (stds * self.warp.slope(values)) ** 2 + (_VAGUENESS * late) ** 2
        return self._told(points, self.warp(values), variance, late)

    def believing(self, points: Points) -> "Surrogate":
        """The surrogate if each point turned out as expected (Ginsbourger et al. 2010).

        The means stay; the uncertainty around the points shrinks, so that a batch spreads out.
        """
        means, _ = self.standard_posterior(points)
        return self._told(points, means, np.zeros(len(points)), np.zeros(len(points)))

    def _seen(self, points: Points, late: Floats) -> tuple[Floats, Floats]:
        """Features, τ t beside them, and remainders: (n), (n,) -> (n, p + 1), (n,)"""
        features = self.kernel.features(points)
        remainder = self.kernel.remainder(points, features)
        return np.concatenate([features, _RISE * late[:, None]], axis=1), remainder

    def _told(self, points: Points, y: Floats, variance: Floats, late: Floats) -> "Surrogate":
        """After more values on the process's own scale, with these variances beside the noise."""
        features, remainder = self._seen(points, late)
        before = self.told_so_far
        after = before.after(points, features, remainder, y, self.noise**2 + variance)
        rows = np.unique([after.places[str(name)] for name in points.names]).astype(np.intp)
        gained, lost = after.evidence(rows), before.evidence(rows[rows < len(self)])
        U = np.concatenate([gained.features, lost.features])
        d = np.concatenate([gained.weights, -lost.weights])
        y_of = np.concatenate([gained.values, lost.values])
        precision = self.precision + (U.T * d) @ U
        return replace(
            self,
            told_so_far=after,
            precision=precision,
            covariance=_inverse(precision, self.covariance, U, d),
            pull=self.pull + U.T @ (d * y_of),
        )


def _inverse(precision: Floats, before: Floats, U: Floats, d: Floats) -> Floats:
    """The inverse of a precision, and that of what it was before Uᵀ diag(d) U was added to it.

    (p, p), (p, p), (k, p), (k,) -> (p, p)
    """
    if len(d) > len(precision) * _FEW:
        factor = np.linalg.cholesky(precision)
        return np.asarray(cho_solve((factor, True), np.eye(len(precision))))
    reached = before @ U.T
    return np.asarray(before - reached @ np.linalg.solve(np.diag(1 / d) + U @ reached, reached.T))


def fit(
    observations: Sequence[Observation],
    kernel: str = DEFAULT_KERNEL,
    landmarks: Sequence[Architecture] = (),
    learned_from: int | None = None,
) -> Surrogate:
    """The surrogate of the observations, its hyper-parameters the mode of their posterior.

    They, the landmarks and the scale are learned from all, or from the first `learned_from`: with
    `scheduled` a search learns them anew only each time it has grown by a share. `landmarks` are
    further architectures to measure from while observations are few. Well defined for none or
    one, for equal ones, equal values.
    """
    first = len(observations) if learned_from is None else learned_from
    further = tuple(landmarks) if len(observations) < _REFIT_FROM else ()
    empty = _learned(kernel, tuple(observations[:first]), further, memory())
    if not observations:
        return empty
    architectures = [one.architecture for one in observations]
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
) -> Surrogate:
    """The surrogate before it is told anything, with what is learned from these observations.

    Kept for the next suggestions of a search, which ask for the same.
    """
    values = np.array([one.value for one in observations], dtype=np.float64)
    stds = np.array([one.std for one in observations], dtype=np.float64)
    late = -np.log([one.fidelity for one in observations])
    architectures = [one.architecture for one in observations]
    kind = KERNELS[kernel]
    chosen = _choose_landmarks([*architectures, *landmarks], MAX_LANDMARKS)
    geometry = Geometry(chosen, kind.measures)
    geometry.remember(architectures)
    warp = Warp.of(values, _FIRST_SCALE)
    variance = (stds * warp.slope(values)) ** 2 + (_VAGUENESS * late) ** 2
    points = geometry.points(architectures)
    theta = _fit_theta(kind, geometry, points, warp(values), variance, late)
    return prior(geometry, kind.at(theta[:-1], geometry), noise=_noise(theta), warp=warp)


def prior(geometry: Geometry, kernel: AbstractKernel, *, noise: float, warp: Warp) -> Surrogate:
    """The surrogate of given hyper-parameters before any observation."""
    p = kernel.features(geometry.landmarks[:0]).shape[1] + 1
    return Surrogate(
        geometry=geometry,
        kernel=kernel,
        noise=noise,
        warp=warp,
        told_so_far=_Told({}, np.zeros((0, p)), np.zeros(0), np.zeros(0), np.zeros(0)),
        precision=np.eye(p),
        covariance=np.eye(p),
        pull=np.zeros(p),
    )


def _choose_landmarks(architectures: Sequence[Architecture], most: int) -> list[Architecture]:
    """Distinct architectures: the first, the latest, and evenly between."""
    distinct = list({one.fingerprint: one for one in architectures}.values())
    if len(distinct) <= most:
        return distinct
    places = np.unique(np.linspace(0, len(distinct) - 1, most).round().astype(int))
    return [distinct[place] for place in places]


def _noise(theta: Floats) -> float:
    return float(np.exp(theta[-1])) + _LEAST_NOISE


def _fit_theta(
    kind: type[AbstractKernel],
    geometry: Geometry,
    points: Points,
    y: Floats,
    variance: Floats,
    late: Floats,
) -> Floats:
    """The mode of the posterior density of θ and log noise (MAP); the prior's without data."""
    centers = np.array([*kind.centers, _NOISE_CENTER])
    spreads = np.array([*kind.spreads, _NOISE_SPREAD])
    places = geometry.places(points)
    chosen = np.flatnonzero(places >= 0)
    if len(chosen) < 3:
        return centers
    if len(chosen) > _MOST_FITTED:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _MOST_FITTED).round().astype(int)]
    y, places = y[chosen], places[chosen]
    measured = geometry.landmarks[places].between(places)
    known = np.diag(variance[chosen]) + _RISE**2 * np.outer(late[chosen], late[chosen])

    def loss(z: Floats) -> tuple[float, Floats]:
        theta = centers + spreads * z
        matrix, slopes = kind.gram(theta[:-1], geometry, measured)
        matrix = matrix + known
        matrix[np.diag_indices(len(y))] += _noise(theta) ** 2
        by_noise = 2 * _noise(theta) * float(np.exp(theta[-1]))
        value, slope = negative_log_likelihood(matrix, y, slopes, by_noise)
        return value + float(z @ z) / 2, spreads * slope + z

    found = minimize(
        loss,
        np.zeros(len(centers)),
        method="L-BFGS-B",
        jac=True,
        bounds=[(-3.0, 3.0)] * len(centers),
        options={"maxfun": _EVALUATIONS},
    )
    return np.asarray(centers + spreads * found.x)
