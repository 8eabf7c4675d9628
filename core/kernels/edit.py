"""The default kernel: exponential of the edit distance, plus a linear term in log sizes.

    e(x, y) = exp(-D_layers(x, y) / l - D_skips(x, y) / s)
    φ(x)    = Λ₊^(-1/2) Uᵀ e(L, x),   e(L, L) = U Λ Uᵀ
    k(x, y) = a² (φ(x)·φ(y) + [x = y] (1 - |φ(x)|²)₊) + b² ψ(x)·ψ(y) + c²

e is only almost positive definite (exp(-d / l) of an edit distance is); projected onto the
landmarks it is definite for any batch, and asking about one candidate never changes the answer
for another. ψ are log parameters, log FLOPs and log depth; c is the spread of the mean.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np

from core.distance import Floats
from core.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points, same

_MEAN_SPREAD = 1.0  # c, in standard deviations of the objective
_SMALLEST = 1e-6  # share of the largest eigenvalue below which a direction is noise


@KERNELS.register("edit")
@dataclass(frozen=True, slots=True)
class EditKernel(AbstractKernel):
    """Close in edits and similar in size means similar in value."""

    amplitude: float  # a
    layer_scale: float  # l, in edits
    skip_scale: float  # s, in edits
    slope: float  # b
    embedding: "_Embedding"  # φ

    names: ClassVar[tuple[str, ...]] = ("amplitude", "layer scale", "skip scale", "slope")
    centers: ClassVar[tuple[float, ...]] = (0.0, 1.8, 1.0, -1.2)  # a = 1, l = 6, s = 2.7, b = 0.3
    spreads: ClassVar[tuple[float, ...]] = (0.7, 1.0, 1.0, 0.9)

    @classmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        amplitude, layer_scale, skip_scale, slope = np.exp(theta)
        embedding = _embedding(geometry, layer_scale, skip_scale)
        return cls(amplitude, layer_scale, skip_scale, slope, embedding)

    def __call__(self, a: Points, b: Points) -> Floats:
        edits = self.embedding.covariances(a, b)
        linear = a.features @ b.features.T
        return np.asarray(self.amplitude**2 * edits + self.slope**2 * linear + _MEAN_SPREAD**2)

    def variances(self, a: Points) -> Floats:
        embedded = self.embedding(a)
        edits = (embedded**2).sum(axis=1) + _remainder(embedded)
        linear = (a.features**2).sum(axis=1)
        return np.asarray(self.amplitude**2 * edits + self.slope**2 * linear + _MEAN_SPREAD**2)


class _Embedding:
    """φ for two scales; what it once embedded it remembers, as the same points come again."""

    def __init__(self, geometry: Geometry, layer_scale: float, skip_scale: float) -> None:
        self._scales = layer_scale, skip_scale
        gram = _exponential(geometry.landmarks, *self._scales)
        values, vectors = np.linalg.eigh((gram + gram.T) / 2)
        kept = values > _SMALLEST * values[-1]
        self._projection: Floats = vectors[:, kept] / np.sqrt(values[kept])  # shape: (m, r)
        self._embedded: dict[Points, Floats] = {}
        self._covariances: dict[tuple[Points, Points], Floats] = {}

    def __call__(self, points: Points) -> Floats:
        """φ of the points: (n) -> (n, r)"""
        if points not in self._embedded:
            self._embedded[points] = _exponential(points, *self._scales) @ self._projection
        return self._embedded[points]

    def covariances(self, a: Points, b: Points) -> Floats:
        """The edit term of k, for an amplitude of one: (n), (m) -> (n, m)"""
        if (a, b) not in self._covariances:
            left = self(a)
            right = self(b).copy()  # as numpy multiplies an array by itself in another way
            spread = np.sqrt(_remainder(left))[:, None] * np.sqrt(_remainder(right))[None, :]
            self._covariances[a, b] = left @ right.T + same(a, b) * spread
        return self._covariances[a, b]


#: While hyper-parameters are fitted, most steps change others than the two scales.
_embedding = lru_cache(maxsize=4)(_Embedding)


def _exponential(points: Points, layer_scale: float, skip_scale: float) -> Floats:
    """e of points and landmarks: (n) -> (n, m)"""
    near: Floats = np.exp(-points.layers / layer_scale - points.skips / skip_scale)
    return near


def _remainder(embedded: Floats) -> Floats:
    """What the landmarks do not explain of each point's variance: (n, r) -> (n,)"""
    return np.asarray(np.maximum(0.0, 1 - (embedded**2).sum(axis=1)))
