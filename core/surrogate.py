"""The surrogate: an exact Gaussian process over architectures (Rasmussen & Williams 2006, ch. 2).

Notation
    y      observed values, standardised; shape (n,)
    K      kernel matrix of the observed points; shape (n, n)
    S      diagonal of noise variances: fitted noise plus each value's own; shape (n,)
    C      lower Cholesky factor of K + S
    w      (K + S)⁻¹ y
    k*     kernel between observed points and a candidate

    mean = k*ᵀ w,  variance = k** - |C⁻¹ k*|²
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from core.architecture import Architecture
from core.distance import Floats
from core.kernels import KERNELS, AbstractKernel, Geometry, Points

MAX_LANDMARKS = 150
MAX_FITTED = 150  # observations that the hyper-parameters are fitted to
_NOISE_CENTER, _NOISE_SPREAD = -1.6, 0.8  # prior of log noise: 0.2 standard deviations
_LEAST_NOISE = 1e-3  # standard deviations
_FIRST_SCALE = 0.05  # of values that are rates, until two differ
_EVALUATIONS = 120  # of the posterior density, while fitting


@dataclass(frozen=True, slots=True)
class Observation:
    """An architecture and its value, told to the surrogate."""

    architecture: Architecture
    value: float  # larger is better
    std: float = 0.0  # the value's known standard error


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is believed of every architecture's value."""

    geometry: Geometry
    kernel: AbstractKernel
    noise: float  # fitted, in standard deviations of the objective
    center: float  # of the values
    scale: float  # standard deviation of the values
    points: Points
    values: Floats  # y
    factor: Floats  # C
    weights: Floats  # w

    def posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free value, in its units: (n) -> (n,), (n,)"""
        variance = self.kernel.variances(points)
        if not len(self.points):
            return np.full(len(points), self.center), self.scale * np.sqrt(variance)
        cross = self.kernel(self.points, points)
        half = solve_triangular(self.factor, cross, lower=True)
        variance = np.maximum(variance - (half**2).sum(axis=0), 0.0)
        return self.center + self.scale * (cross.T @ self.weights), self.scale * np.sqrt(variance)

    def told(self, points: Points, values: Floats, stds: Floats) -> "Surrogate":
        """The surrogate after more observations, hyper-parameters unchanged; O(n²) each."""
        y = np.concatenate([self.values, (values - self.center) / self.scale])
        noise = self._variances(stds)
        cross = self.kernel(self.points, points)
        block = self.kernel(points, points) + np.diag(noise)
        factor = _extended(self.factor, cross, block)
        return replace(
            self,
            points=_joined(self.points, points),
            values=y,
            factor=factor,
            weights=cho_solve((factor, True), y),
        )

    def believing(self, points: Points) -> "Surrogate":
        """The surrogate if each point turned out as expected (Ginsbourger et al. 2010).

        The means stay; the uncertainty around the points shrinks, so that a batch spreads out.
        """
        means, _ = self.posterior(points)
        return self.told(points, means, np.zeros(len(points)))

    def _variances(self, stds: Floats) -> Floats:
        return np.asarray(self.noise**2 + (stds / self.scale) ** 2)


def fit(
    observations: Sequence[Observation],
    kernel: str = "edit",
    landmarks: Sequence[Architecture] = (),
) -> Surrogate:
    """The surrogate of the observations, its hyper-parameters the mode of their posterior.

    `landmarks` are further architectures to measure from, for a search without observations.
    Well defined for no or one observation, for equal ones and for equal values.
    """
    values = np.array([one.value for one in observations], dtype=np.float64)
    stds = np.array([one.std for one in observations], dtype=np.float64)
    architectures = [one.architecture for one in observations]
    geometry = Geometry(_choose_landmarks([*architectures, *landmarks], MAX_LANDMARKS))
    points = geometry.points(architectures)
    center = float(values.mean()) if len(values) else 0.0
    spread = float(values.std()) if len(values) > 1 else 0.0
    scale = spread if spread > 1e-12 else _FIRST_SCALE
    kind = KERNELS[kernel]
    theta = _fit_theta(kind, geometry, points, (values - center) / scale, stds / scale)
    empty = Surrogate(
        geometry=geometry,
        kernel=kind.at(theta[:-1], geometry),
        noise=_noise(theta),
        center=center,
        scale=scale,
        points=points[:0],
        values=np.zeros(0),
        factor=np.zeros((0, 0)),
        weights=np.zeros(0),
    )
    return empty.told(points, values, stds) if len(values) else empty


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
    if len(y) < 3:
        return centers
    chosen = np.unique(np.linspace(0, len(y) - 1, min(len(y), MAX_FITTED)).round().astype(int))
    points, y, stds = points[chosen], y[chosen], stds[chosen]

    def loss(z: Floats) -> float:
        theta = centers + spreads * z
        kernel = kind.at(theta[:-1], geometry)
        matrix = kernel(points, points) + np.diag(_noise(theta) ** 2 + stds**2)
        return _negative_log_likelihood(matrix, y) + float(z @ z) / 2

    found = minimize(
        loss,
        np.zeros(len(centers)),
        method="L-BFGS-B",
        bounds=[(-3.0, 3.0)] * len(centers),
        options={"maxfun": _EVALUATIONS},
    )
    return np.asarray(centers + spreads * found.x)


def _negative_log_likelihood(matrix: Floats, y: Floats) -> float:
    """-log N(y; 0, matrix), without the constant (Rasmussen & Williams 2006, eq. 2.30)."""
    factor = cho_factor(matrix, lower=True, check_finite=False)
    fit_term = float(y @ cho_solve(factor, y)) / 2
    return fit_term + float(np.log(np.diag(factor[0])).sum())


def _extended(factor: Floats, cross: Floats, block: Floats) -> Floats:
    """The Cholesky factor of a matrix that grew: [[A, B], [Bᵀ, D]] from that of A. O(n² m)"""
    n, m = cross.shape
    grown = np.zeros((n + m, n + m))
    grown[:n, :n] = factor
    half = solve_triangular(factor, cross, lower=True) if n else cross
    grown[n:, :n] = half.T
    grown[n:, n:] = np.linalg.cholesky(block - half.T @ half)
    return grown


def _joined(a: Points, b: Points) -> Points:
    return Points(
        np.concatenate([a.names, b.names]),
        np.concatenate([a.layers, b.layers]),
        np.concatenate([a.skips, b.skips]),
        np.concatenate([a.features, b.features]),
    )
