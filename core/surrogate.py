"""The surrogate: a Gaussian process over architectures (Rasmussen & Williams 2006, ch. 2).

Notation
    y      observed values, standardised, one for each architecture seen; shape (n,)
    Ψ      features of the observed architectures; shape (n, p)
    ρ      remainders of the kernel; shape (n,)
    s      noise variances: fitted noise plus each value's own; shape (n,)
    A      I + Ψᵀ diag(ρ + s)⁻¹ Ψ, the precision of the features' weights; shape (p, p)
    w      A⁻¹ Ψᵀ diag(ρ + s)⁻¹ y, their mean; shape (p,)

The kernel is a product of features plus what is an architecture's own, so that the process is a
Bayesian linear model (ibid., ch. 2.1) with one more variable for each architecture:

    mean = ψᵀ w + g (y - ψᵀ w),  variance = (1 - g)² ψᵀ A⁻¹ ψ + ρ (1 - g)

with g = ρ / (ρ + s) for an architecture that was observed and 0 for any other. This is the exact
process, in O(n p²) where its n × n matrix would cost O(n³). With up to `MAX_LANDMARKS` different
architectures each is a landmark, and features leave (almost) nothing out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack, solve_triangular
from scipy.optimize import minimize

from core.architecture import Architecture
from core.distance import Floats
from core.kernels import KERNELS, AbstractKernel, Geometry, Points

MAX_LANDMARKS = 150  # also the most observations that the hyper-parameters are fitted to
_NOISE_CENTER, _NOISE_SPREAD = -1.6, 0.8  # prior of log noise: 0.2 standard deviations
_LEAST_NOISE = 1e-3  # standard deviations
_FIRST_SCALE = 0.05  # of values that are rates, until two differ
_EVALUATIONS = 60  # of the posterior density and its slope, while fitting


@dataclass(frozen=True, slots=True)
class Observation:
    """An architecture and its value, told to the surrogate."""

    architecture: Architecture
    value: float  # larger is better
    std: float = 0.0  # the value's known standard error


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
        """With more observations."""
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
            grown.noise[row] = share * variance
            grown.features[row], grown.remainder[row] = psi, rho
        return grown


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is believed of every architecture's value."""

    geometry: Geometry
    kernel: AbstractKernel
    noise: float  # fitted, in standard deviations of the objective
    center: float  # of the values
    scale: float  # standard deviation of the values
    told_so_far: _Told
    precision: Floats  # A
    pull: Floats  # Ψᵀ diag(ρ + s)⁻¹ y
    _factor: Floats = field(init=False)  # lower Cholesky factor of A
    _mean: Floats = field(init=False)  # w

    def __post_init__(self) -> None:
        factor = np.linalg.cholesky(self.precision)
        object.__setattr__(self, "_factor", factor)
        object.__setattr__(self, "_mean", cho_solve((factor, True), self.pull))

    def __len__(self) -> int:
        """How many different architectures were observed."""
        return len(self.told_so_far.values)

    def posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free value, in its units: (n) -> (n,), (n,)"""
        features = self.kernel.features(points)
        remainder = self.kernel.remainder(points, features)
        half = solve_triangular(self._factor, features.T, lower=True, check_finite=False)
        mean, variance = features @ self._mean, (half**2).sum(axis=0)
        told = self.told_so_far
        rows = np.array([told.places.get(str(name), -1) for name in points.names], dtype=np.intp)
        seen = np.flatnonzero(rows >= 0)
        rows = rows[seen]
        gain = np.zeros(len(points))
        gain[seen] = told.remainder[rows] / (told.remainder[rows] + told.noise[rows])
        mean[seen] += gain[seen] * (told.values[rows] - mean[seen])
        variance = (1 - gain) ** 2 * variance + remainder * (1 - gain)
        return self.center + self.scale * mean, self.scale * np.sqrt(variance)

    def told(self, points: Points, values: Floats, stds: Floats) -> "Surrogate":
        """The surrogate after more observations, hyper-parameters unchanged; O(p²) for each."""
        features = self.kernel.features(points)
        remainder = self.kernel.remainder(points, features)
        y = (values - self.center) / self.scale
        noise = self.noise**2 + (stds / self.scale) ** 2
        before = self.told_so_far
        after = before.after(points, features, remainder, y, noise)
        rows = np.unique([after.places[str(name)] for name in points.names]).astype(np.intp)
        gained, pulled = _evidence(after, rows)
        lost, unpulled = _evidence(before, rows[rows < len(self)])
        return replace(
            self,
            told_so_far=after,
            precision=self.precision + gained - lost,
            pull=self.pull + pulled - unpulled,
        )

    def believing(self, points: Points) -> "Surrogate":
        """The surrogate if each point turned out as expected (Ginsbourger et al. 2010).

        The means stay; the uncertainty around the points shrinks, so that a batch spreads out.
        """
        means, _ = self.posterior(points)
        return self.told(points, means, np.zeros(len(points)))


def _evidence(told: _Told, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """What some observed architectures add to A and to the pull."""
    weighted = told.features[rows] / (told.remainder[rows] + told.noise[rows])[:, None]
    return weighted.T @ told.features[rows], weighted.T @ told.values[rows]


def fit(
    observations: Sequence[Observation],
    kernel: str = "edit",
    landmarks: Sequence[Architecture] = (),
) -> Surrogate:
    """The surrogate of the observations, its hyper-parameters the mode of their posterior.

    `landmarks` are further architectures to measure from, for a search without observations.
    Well defined for none or one observation, for equal ones and for equal values.
    """
    values = np.array([one.value for one in observations], dtype=np.float64)
    stds = np.array([one.std for one in observations], dtype=np.float64)
    architectures = [one.architecture for one in observations]
    kind = KERNELS[kernel]
    chosen = _choose_landmarks([*architectures, *landmarks], MAX_LANDMARKS)
    geometry = Geometry(chosen, kind.measures)
    points = geometry.points(architectures)
    center = float(values.mean()) if len(values) else 0.0
    spread = float(values.std()) if len(values) > 1 else 0.0
    scale = spread if spread > 1e-12 else _FIRST_SCALE
    theta = _fit_theta(kind, geometry, points, (values - center) / scale, stds / scale)
    made = kind.at(theta[:-1], geometry)
    empty = prior(geometry, made, noise=_noise(theta), center=center, scale=scale)
    return empty.told(points, values, stds) if len(values) else empty


def prior(
    geometry: Geometry, kernel: AbstractKernel, *, noise: float, center: float, scale: float
) -> Surrogate:
    """The surrogate of given hyper-parameters before any observation."""
    p = kernel.features(geometry.landmarks[:0]).shape[1]
    return Surrogate(
        geometry=geometry,
        kernel=kernel,
        noise=noise,
        center=center,
        scale=scale,
        told_so_far=_Told({}, np.zeros((0, p)), np.zeros(0), np.zeros(0), np.zeros(0)),
        precision=np.eye(p),
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
    kind: type[AbstractKernel], geometry: Geometry, points: Points, y: Floats, stds: Floats
) -> Floats:
    """The mode of the posterior density of θ and log noise (MAP); the prior's without data."""
    centers = np.array([*kind.centers, _NOISE_CENTER])
    spreads = np.array([*kind.spreads, _NOISE_SPREAD])
    places = geometry.places(points)
    chosen = np.flatnonzero(places >= 0)
    if len(chosen) < 3:
        return centers
    y, stds, places = y[chosen], stds[chosen], places[chosen]
    measured = geometry.landmarks[places].between(places)

    def loss(z: Floats) -> tuple[float, Floats]:
        theta = centers + spreads * z
        matrix, slopes = kind.gram(theta[:-1], geometry, measured)
        matrix[np.diag_indices(len(y))] += _noise(theta) ** 2 + stds**2
        by_noise = 2 * _noise(theta) * float(np.exp(theta[-1]))
        value, slope = _negative_log_likelihood(matrix, y, slopes, by_noise)
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


def _negative_log_likelihood(
    matrix: Floats, y: Floats, slopes: Floats, by_noise: float
) -> tuple[float, Floats]:
    """-log N(y; 0, matrix), without the constant, and its derivatives by θ and log noise.

    Rasmussen & Williams 2006, eq. 2.30 and 5.9: (n, n), (n,), (k, n, n) -> (), (k + 1,)
    """
    factor = _factored(matrix)
    weights = cho_solve((factor, True), y, check_finite=False)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    excess = inverse - np.outer(weights, weights)
    slope = np.append(
        np.einsum("kij,ij->k", slopes, excess, optimize=True), by_noise * np.trace(excess)
    )
    return float(y @ weights) / 2 + float(np.log(np.diag(factor)).sum()), slope / 2


def _factored(matrix: Floats) -> Floats:
    """The lower Cholesky factor of a symmetric matrix, which is lifted where it is not definite."""
    try:
        return np.asarray(cho_factor(matrix, lower=True, check_finite=False)[0])
    except LinAlgError:
        least = float(np.linalg.eigvalsh(matrix)[0])
        lifted = matrix + (1e-6 - 1.01 * least) * np.eye(len(matrix))
        return np.asarray(cho_factor(lifted, lower=True, check_finite=False)[0])
