"""The surrogate: a Gaussian process over architectures (Rasmussen & Williams 2006, ch. 2).

Notation
    y      observed values as they would be at the end of a training (`learning_curve`), and
           as `warp` sees them, one for each architecture seen; shape (n,)
    r      how much of its rise was still to come where a value was measured; shape (n,)
    Ψ      features of the observed architectures, -τ r beside them; shape (n, p + 1)
    ρ      remainders of the kernel; shape (n,)
    η      standard deviation of the noise for each unit of r, fitted
    s      noise variances: fitted noise, each value's own, and (η r)²; shape (n,)
    A      I + Ψᵀ diag(ρ + s)⁻¹ Ψ, the precision of the features' weights; shape (p + 1, p + 1)
    S      A⁻¹, their covariance
    w      S Ψᵀ diag(ρ + s)⁻¹ y, their mean; shape (p + 1,)

The kernel is a product of features plus what is an architecture's own, so that the process is a
Bayesian linear model (ibid., ch. 2.1) with one more variable for each architecture:

    mean = χᵀ w + g y,  variance = χᵀ S χ + ρ (1 - g),  χ = (ψ, 0) - g ψ_seen

with g = ρ / (ρ + s) and ψ_seen its row of Ψ for an architecture that was observed, g = 0 for any
other. This is the exact process, in O(n p²) where its n × n matrix would cost O(n³). Where each
observed architecture is a landmark features leave (almost) nothing out; where only some are, they
are inducing points (Snelson & Ghahramani 2006). One more value changes S by a matrix of rank one,
in O(p²) (Sherman & Morrison 1950; Woodbury 1950).

A value measured before its training's end is taken for what it would have become by the curve of
all, which is τ r unsure for all together and η r for each: the less the earlier. Several looks at
one architecture count as one, their mean by precision; where they were taken after other shares of
the training, what they differ by tells the common rise: the two are independent, so nothing is
lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.stats import norm

from core.similarity.edit_distance import Floats
from core.surrogate.kernels import AbstractKernel, Geometry, Points
from core.surrogate.learning_curve import LearningCurve
from core.surrogate.warp import Warp

RISE = 0.5  # τ, in standard deviations of values
_FEW = 0.2  # as a share of p: observations that are less work to add than to start anew


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
    ) -> "tuple[_Told, _Evidence]":
        """With more observations, and what several looks at one architecture differ by."""
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
        differences = [
            difference
            for seen in zip(rows, features, remainder, values, noise, strict=True)
            if (difference := grown._look(*seen)) is not None
        ]
        return grown, _Evidence.of(differences, features.shape[1])

    def _look(
        self, row: int, psi: Floats, rho: float, value: float, variance: float
    ) -> "tuple[Floats, float, float] | None":
        """Mix one more look in; what it and the earlier ones differ by, if that tells a slope."""
        earlier = self.noise[row]
        difference = self.features[row] - psi, 1 / (earlier + variance), self.values[row] - value
        share = 1.0 if np.isinf(earlier) else earlier / (earlier + variance)
        self.values[row] += share * (value - self.values[row])
        self.features[row] += share * (psi - self.features[row])
        self.noise[row] = share * variance
        self.remainder[row] = rho
        return difference if np.isfinite(earlier) and difference[0][-1] else None

    def evidence(self, rows: NDArray[np.intp]) -> "_Evidence":
        """What some observed architectures say of the features' weights."""
        weights = 1 / (self.remainder[rows] + self.noise[rows])
        return _Evidence(self.features[rows], weights, self.values[rows])


class _Evidence(NamedTuple):
    """Values that are features times weights, and noise: of architectures, or of differences."""

    features: Floats  # rows of Ψ, or differences of two
    weights: Floats  # 1 / (ρ + s), or 1 / (s + s') where the own parts cancel
    values: Floats  # y

    @classmethod
    def of(cls, rows: Sequence[tuple[Floats, float, float]], p: int) -> "_Evidence":
        """That of some rows of p features."""
        features = np.array([row[0] for row in rows]).reshape(len(rows), p)
        weights, values = (np.array([row[k] for row in rows]) for k in (1, 2))
        return cls(features, weights, values)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What is believed of every architecture's value."""

    geometry: Geometry
    kernel: AbstractKernel
    noise: float  # fitted, in standard deviations of the objective
    vagueness: float  # η
    curve: LearningCurve
    warp: Warp
    data: _Told
    precision: Floats  # A
    covariance: Floats  # S
    pull: Floats  # Ψᵀ diag(ρ + s)⁻¹ y
    _mean: Floats = field(init=False)  # w

    def __post_init__(self) -> None:
        object.__setattr__(self, "_mean", self.covariance @ self.pull)

    def __len__(self) -> int:
        """How many different architectures were observed."""
        return len(self.data.values)

    @property
    def scale(self) -> float:
        """A standard deviation of the objective, in its unit."""
        return self.warp.scale

    @property
    def best(self) -> float:
        """The best value that was observed, as the process sees it; its mean before any.

        Of what was not trained to its end it is what is expected there.
        """
        if not len(self):
            return 0.0
        told, w = self.data, self._mean
        late = told.features[:, -1]
        gap = told.noise / (told.remainder + told.noise) * (told.values - told.features @ w)
        return float((told.values - np.where(late < 0, late * w[-1] + gap, 0.0)).max())

    def posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Median and standard deviation of the noise-free value, in its units: (n) -> 2 × (n,)"""
        mean, std = self.standard_posterior(points)
        high, low = self.warp.inverse(mean + std), self.warp.inverse(mean - std)
        return self.warp.inverse(mean), (high - low) / 2

    def standard_posterior(self, points: Points) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free value as the process sees it."""
        features, remainder = self._seen(points, np.zeros(len(points)))
        told = self.data
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

    def over(self, geometry: Geometry, kernel: AbstractKernel) -> "Surrogate":
        """The surrogate over other landmarks, before any observation."""
        own = {"noise": self.noise, "vagueness": self.vagueness}
        return prior(geometry, kernel, **own, curve=self.curve, warp=self.warp)

    def told(
        self, points: Points, values: Floats, stds: Floats, fidelities: Floats | None = None
    ) -> "Surrogate":
        """The surrogate after more observations, hyper-parameters unchanged; O(p²) for each."""
        late = np.zeros(len(points)) if fidelities is None else -np.log(fidelities)
        ends, rest = self.curve.at_end(values, late), self.curve.remaining(late)
        own = stds * self.curve.slope(late) * self.warp.slope(ends)
        return self._told(points, self.warp(ends), own**2 + (self.vagueness * rest) ** 2, rest)

    def fantasize(self, points: Points, fidelities: Floats | None = None) -> "Surrogate":
        """The surrogate if each point turned out as expected (Ginsbourger et al. 2010).

        The means stay; the uncertainty around the points shrinks, so that a batch spreads out: the
        less, the earlier in its training a point will be seen.
        """
        late = np.zeros(len(points)) if fidelities is None else -np.log(fidelities)
        rest = self.curve.remaining(late)
        means = self.standard_posterior(points)[0] - RISE * rest * self._mean[-1]
        return self._told(points, means, (self.vagueness * rest) ** 2, rest)

    def _seen(self, points: Points, rest: Floats) -> tuple[Floats, Floats]:
        """Features, -τ r beside them, and remainders: (n), (n,) -> (n, p + 1), (n,)"""
        features = self.kernel.features(points)
        remainder = self.kernel.remainder(points, features)
        return np.concatenate([features, -RISE * rest[:, None]], axis=1), remainder

    def _told(self, points: Points, y: Floats, variance: Floats, rest: Floats) -> "Surrogate":
        """After more values on the process's own scale, with these variances beside the noise."""
        features, remainder = self._seen(points, rest)
        before = self.data
        after, differences = before.after(points, features, remainder, y, self.noise**2 + variance)
        rows = np.unique([after.places[str(name)] for name in points.names]).astype(np.intp)
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


def prior(
    geometry: Geometry,
    kernel: AbstractKernel,
    *,
    noise: float,
    vagueness: float,
    curve: LearningCurve,
    warp: Warp,
) -> Surrogate:
    """The surrogate of given hyper-parameters before any observation."""
    p = kernel.features(geometry.landmarks[:0]).shape[1] + 1
    return Surrogate(
        geometry=geometry,
        kernel=kernel,
        noise=noise,
        vagueness=vagueness,
        curve=curve,
        warp=warp,
        data=_Told({}, np.zeros((0, p)), np.zeros(0), np.zeros(0), np.zeros(0)),
        precision=np.eye(p),
        covariance=np.eye(p),
        pull=np.zeros(p),
    )
