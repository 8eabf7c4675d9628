"""The surrogate: a Gaussian process over architectures (Rasmussen & Williams 2006, ch. 2).

Notation
    n, p   number of observed architectures, of features
    t      -log of the share of its training after which a value was measured; shape (n,)
    r      how much of its rise was still to come then (`learning_curve`), 0 at t = 0; shape (n,)
    y      observed values as they would be at the end of a training, on the scale of `warp`, one
           for each architecture; shape (n,)
    τ      prior standard deviation of the common rise for each unit of r
    Ψ      design matrix: features of the observed architectures, m(x) where there is a prior mean
           (then it is one of the p features), and a column -τ r; (n, p + 1)
    ρ      remainders of the kernel; shape (n,)
    η      standard deviation of the noise for each unit of r, fitted
    s      noise variances: fitted noise, each value's own, and (η r)²; shape (n,)
    A      precision of the features' weights, A₀ + Ψᵀ diag(ρ + s)⁻¹ Ψ; shape (p + 1, p + 1); their
           prior is standard normal, so A₀ = I, but for the weight of m (`prior_mean`)
    S      covariance of the weights, A⁻¹; shape (p + 1, p + 1)
    b      information vector, A₀ w₀ + Ψᵀ diag(ρ + s)⁻¹ y with the weights' prior means w₀; (p + 1,)
    w      mean of the weights, S b; shape (p + 1,)
    ψ, χ   features of a point asked about, shape (p,); what is left of them, shape (p + 1,)

The kernel is a product of features plus what is an architecture's own, so that the process is a
Bayesian linear model (ibid., ch. 2.1) with one more variable for each architecture:

    mean = χᵀ w + g y,  variance = χᵀ S χ + ρ (1 - g),  χ = (ψ, 0) - g ψ_seen

with g = ρ / (ρ + s) and ψ_seen its row of Ψ for an observed architecture, g = 0 for any other.
This is the exact process, in O(n p²) where its n × n matrix would cost O(n³). Where each observed
architecture is a landmark, the features explain (almost) all of the variance; where only some are,
these are inducing points (Snelson & Ghahramani 2006). One more value changes S by a matrix of rank
one, in O(p²) (Sherman & Morrison 1950; Woodbury 1950).

A value measured before the end of its training is extrapolated by the learning curve of all
trainings. The extrapolation has an error of τ r that is common to all and one of η r that is each
value's own: an early value says less. Several measurements of one architecture count as one, their
mean by precision; where they were taken after different shares of the training, their differences
are evidence of the common rise. The mean and the differences are independent, so nothing is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.special import ndtri

from core.similarity.edit_distance import Floats
from core.surrogate.kernels import AbstractKernel, Geometry, Points
from core.surrogate.learning_curve import LearningCurve
from core.surrogate.prior_mean import WEIGHT, WEIGHT_STD, PriorMean
from core.surrogate.warp import Warp

RISE = 0.5  # τ, in standard deviations of the objective
_FEW = 0.2  # of p: up to this many observations S is updated, with more it is computed again


@dataclass(frozen=True, slots=True)
class _Data:
    """The observations, one row for each architecture: several measurements count as their mean."""

    rows: dict[str, int]  # by fingerprint
    features: Floats  # Ψ
    remainder: Floats  # ρ
    noise: Floats  # s
    values: Floats  # y

    def extended(
        self, points: Points, features: Floats, remainder: Floats, values: Floats, noise: Floats
    ) -> "tuple[_Data, _Evidence]":
        """The data with more measurements, and the differences of those of one architecture."""
        rows = dict(self.rows)
        chosen = [rows.setdefault(str(name), len(rows)) for name in points.names]
        more = len(rows) - len(self.rows)
        extended = _Data(
            rows,
            np.concatenate([self.features, np.zeros((more, features.shape[1]))]),
            np.concatenate([self.remainder, np.zeros(more)]),
            np.concatenate([self.noise, np.full(more, np.inf)]),
            np.concatenate([self.values, np.zeros(more)]),
        )
        differences = [
            difference
            for one in zip(chosen, features, remainder, values, noise, strict=True)
            if (difference := extended._merge(*one)) is not None
        ]
        return extended, _Evidence.of(differences, features.shape[1])

    def _merge(
        self, row: int, psi: Floats, rho: float, value: float, variance: float
    ) -> "tuple[Floats, float, float] | None":
        """Add one measurement to a row in place.

        Returns its difference from the earlier ones: of features, its weight, of values. None
        unless it was measured after another share of the training.
        """
        earlier = self.noise[row]
        difference = self.features[row] - psi, 1 / (earlier + variance), self.values[row] - value
        share = 1.0 if np.isinf(earlier) else earlier / (earlier + variance)
        self.values[row] += share * (value - self.values[row])
        self.features[row] += share * (psi - self.features[row])
        self.noise[row] = share * variance
        self.remainder[row] = rho
        return difference if np.isfinite(earlier) and difference[0][-1] else None

    def evidence(self, rows: NDArray[np.intp]) -> "_Evidence":
        """The evidence on the features' weights that some observed architectures give."""
        weights = 1 / (self.remainder[rows] + self.noise[rows])
        return _Evidence(self.features[rows], weights, self.values[rows])


class _Evidence(NamedTuple):
    """A linear regression of k values: each is features times weights, plus independent noise."""

    features: Floats  # rows of Ψ, or differences of two; shape: (k, p + 1)
    weights: Floats  # inverse variances: 1 / (ρ + s), or 1 / (s + s') of a difference; shape: (k,)
    values: Floats  # y, or differences of two; shape: (k,)

    @classmethod
    def of(cls, rows: Sequence[tuple[Floats, float, float]], p: int) -> "_Evidence":
        """The evidence of some rows of p features."""
        features = np.array([row[0] for row in rows]).reshape(len(rows), p)
        weights, values = (np.array([row[k] for row in rows]) for k in (1, 2))
        return cls(features, weights, values)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The posterior over the value of every architecture; frozen, each update returns another."""

    geometry: Geometry
    kernel: AbstractKernel
    noise: float  # fitted, in standard deviations of the objective
    vagueness: float  # η
    curve: LearningCurve
    warp: Warp
    prior_mean: PriorMean | None
    data: _Data
    precision: Floats  # A
    covariance: Floats  # S
    information: Floats  # b
    _mean: Floats = field(init=False)  # w

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mean", self.covariance @ self.information)

    def __len__(self) -> int:
        """How many different architectures were observed."""
        return len(self.data.values)

    @property
    def scale(self) -> float:
        """A standard deviation of the objective, in its unit."""
        return self.warp.scale

    @property
    def best(self) -> float:
        """The best observed value on the scale of the process; 0, its mean, before any.

        For an architecture that was not trained to its end it is the value expected there.
        """
        if not len(self):
            return 0.0
        data, w = self.data, self._mean
        rise = data.features[:, -1]  # -τ r
        noise = data.noise / (data.remainder + data.noise) * (data.values - data.features @ w)
        return float((data.values - np.where(rise < 0, rise * w[-1] + noise, 0.0)).max())

    def posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Median and standard deviation of the noise-free value, in its units: (n) -> 2 × (n,)"""
        mean, std = self.standard_posterior(points)
        high, low = self.warp.inverse(mean + std), self.warp.inverse(mean - std)
        return self.warp.inverse(mean), (high - low) / 2

    def standard_posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free value, on the scale of the process.

        (n) -> 2 × (n,)
        """
        features, remainder = self._design(points, np.zeros(len(points)))
        data = self.data
        rows = np.array([data.rows.get(str(name), -1) for name in points.names], dtype=np.intp)
        observed = np.flatnonzero(rows >= 0)
        rows = rows[observed]
        gain = np.zeros(len(points))
        gain[observed] = data.remainder[rows] / (data.remainder[rows] + data.noise[rows])
        features[observed] -= gain[observed, None] * data.features[rows]
        mean = features @ self._mean
        mean[observed] += gain[observed] * data.values[rows]
        variance = np.einsum("ij,ij->i", features @ self.covariance, features)
        return mean, np.sqrt(np.maximum(variance, 0.0) + remainder * (1 - gain))

    def interval(self, points: Points, share: float) -> tuple[Floats, Floats]:
        """The central interval of a measured value, of probability `share`: (n) -> 2 × (n,)"""
        mean, std = self.standard_posterior(points)
        half = float(ndtri((1 + share) / 2)) * np.hypot(std, self.noise)
        return self.warp.inverse(mean - half), self.warp.inverse(mean + half)

    def log_density(self, points: Points, values: Floats) -> Floats:
        """The log density of measured values, per unit of the metric: (n), (n,) -> (n,)"""
        mean, std = self.standard_posterior(points)
        spread = np.hypot(std, self.noise)
        z = (self.warp(values) - mean) / spread
        density = -0.5 * z**2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
        return np.asarray(density + np.log(self.warp.slope(values)))

    def over(self, geometry: Geometry, kernel: AbstractKernel) -> "Surrogate":
        """The surrogate over other landmarks, before any observation."""
        own = {"noise": self.noise, "vagueness": self.vagueness}
        return prior(
            geometry, kernel, **own, curve=self.curve, warp=self.warp, prior_mean=self.prior_mean
        )

    def condition_on(
        self, points: Points, values: Floats, stds: Floats, fidelities: Floats | None = None
    ) -> "Surrogate":
        """The surrogate given more observations, hyper-parameters unchanged; O(p²) for each.

        (n), (n,), (n,), (n,): values and their standard errors in the unit of the metric, each
        measured after a share of its training in (0, 1]; all at the end where none are given.
        """
        t = np.zeros(len(points)) if fidelities is None else -np.log(fidelities)
        ends, r = self.curve.at_end(values, t), self.curve.remaining(t)
        own = stds * self.curve.slope(t) * self.warp.slope(ends)
        return self._updated(points, self.warp(ends), own**2 + (self.vagueness * r) ** 2, r)

    def fantasize(self, points: Points, fidelities: Floats | None = None) -> "Surrogate":
        """The surrogate if each point turned out as expected (Ginsbourger et al. 2010).

        The means stay; the uncertainty around the points shrinks, so that a batch spreads out. It
        shrinks less where a point will be measured early in its training. (n), (n,)
        """
        t = np.zeros(len(points)) if fidelities is None else -np.log(fidelities)
        r = self.curve.remaining(t)
        means = self.standard_posterior(points)[0] - RISE * r * self._mean[-1]
        return self._updated(points, means, (self.vagueness * r) ** 2, r)

    def _design(self, points: Points, r: Floats) -> tuple[Floats, Floats]:
        """Rows of the design matrix, and remainders: (n), (n,) -> (n, p + 1), (n,)"""
        features = self.kernel.features(points)
        remainder = self.kernel.remainder(points, features)
        columns = [features, -RISE * r[:, None]]
        if self.prior_mean is not None:
            columns.insert(1, self.geometry.slope(points, self.prior_mean.slopes)[:, None])
        return np.concatenate(columns, axis=1), remainder

    def _updated(self, points: Points, y: Floats, variance: Floats, r: Floats) -> "Surrogate":
        """The surrogate given y, with these variances in addition to the fitted noise."""
        features, remainder = self._design(points, r)
        before, noise = self.data, self.noise**2 + variance
        after, differences = before.extended(points, features, remainder, y, noise)
        rows = np.unique([after.rows[str(name)] for name in points.names]).astype(np.intp)
        gained, lost = after.evidence(rows), before.evidence(rows[rows < len(self)])
        U = np.concatenate([gained.features, differences.features, lost.features])
        d = np.concatenate([gained.weights, differences.weights, -lost.weights])
        y_of = np.concatenate([gained.values, differences.values, lost.values])
        precision = self.precision + (U.T * d) @ U
        return replace(
            self,
            data=after,
            precision=precision,
            covariance=_inverse(precision, self.covariance, U, d),
            information=self.information + U.T @ (d * y_of),
        )


def _inverse(precision: Floats, before: Floats, U: Floats, d: Floats) -> Floats:
    """The inverse of a precision, given the inverse `before` Uᵀ diag(d) U was added to it.

    (p, p), (p, p), (k, p), (k,) -> (p, p); Woodbury's formula where k is small.
    """
    if len(d) > len(precision) * _FEW:
        factor = np.linalg.cholesky(precision)
        return np.asarray(cho_solve((factor, True), np.eye(len(precision))))
    SU = before @ U.T
    return np.asarray(before - SU @ np.linalg.solve(np.diag(1 / d) + U @ SU, SU.T))


def prior(
    geometry: Geometry,
    kernel: AbstractKernel,
    *,
    noise: float,
    vagueness: float,
    curve: LearningCurve,
    warp: Warp,
    prior_mean: PriorMean | None = None,
) -> Surrogate:
    """The surrogate of given hyper-parameters before any observation."""
    p = kernel.features(geometry.landmarks[:0]).shape[1] + 1
    stds, means = np.ones(p), np.zeros(p)
    if prior_mean is not None:
        stds, means = np.insert(stds, -1, WEIGHT_STD), np.insert(means, -1, WEIGHT)
        p += 1
    return Surrogate(
        geometry=geometry,
        kernel=kernel,
        noise=noise,
        vagueness=vagueness,
        curve=curve,
        warp=warp,
        prior_mean=prior_mean,
        data=_Data({}, np.zeros((0, p)), np.zeros(0), np.zeros(0), np.zeros(0)),
        precision=np.diag(stds**-2),
        covariance=np.diag(stds**2),
        information=means / stds**2,
    )
