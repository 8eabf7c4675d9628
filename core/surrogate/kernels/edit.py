"""Exponential of the edit distance, plus a linear term in log sizes.

    e(x, y) = exp(-D_layers(x, y) / l - D_skips(x, y) / s - J(x, y) / r)
    φ(x)    = Λ₊^(-1/2) Uᵀ e(L, x),   e(L, L) = U Λ Uᵀ
    k(x, y) = a² (φ(x)·φ(y) + [x = y] (1 - |φ(x)|²)₊) + b² z(x)·z(y) + c²

J is the distance of the graphs' subtrees: the kernel `graph` has that term, the kernel `edit` has
not (r = ∞). e is only almost positive definite, as exp(-d / l) of an edit distance d is; projected
onto the landmarks it is positive semi-definite for any batch. z are log parameters, log FLOPs and
log depth; c is the spread of the mean.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from core.similarity.edit_distance import Floats
from core.surrogate.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points, projection

_MEAN_SPREAD = 1.0  # c, in standard deviations of the objective


@dataclass(frozen=True, slots=True)
class _Exponential(AbstractKernel):
    """The common part of `edit` and `graph`; θ is log a, log b, and the log of each scale."""

    theta: Floats
    project: Floats  # U Λ₊^(-1/2); shape: (m, r)

    @classmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        return cls(theta, projection(cls._exponential(theta, geometry.landmarks)))

    @classmethod
    def gram(cls, theta: Floats, geometry: Geometry, chosen: Points) -> tuple[Floats, Floats]:
        edits = np.exp(2 * theta[0]) * cls._exponential(theta, chosen)
        linear = np.exp(2 * theta[1]) * (chosen.sizes @ chosen.sizes.T)
        slopes = [
            edits * getattr(chosen, part) * np.exp(-log_scale)
            for part, log_scale in zip(cls.measures, theta[2:], strict=True)
        ]
        return edits + linear + _MEAN_SPREAD**2, np.array([2 * edits, 2 * linear, *slopes])

    def features(self, a: Points) -> Floats:
        near = np.exp(self.theta[0]) * (self._exponential(self.theta, a) @ self.project)
        mean = np.full((len(a), 1), _MEAN_SPREAD)
        return np.concatenate([near, np.exp(self.theta[1]) * a.sizes, mean], axis=1)

    def remainder(self, a: Points, features: Floats) -> Floats:
        near = features[:, : self.project.shape[1]]
        return np.asarray(np.maximum(0.0, np.exp(2 * self.theta[0]) - (near**2).sum(axis=1)))

    @classmethod
    def _exponential(cls, theta: Floats, points: Points) -> Floats:
        """e of points and the landmarks that they are measured from: (n) -> (n, m)"""
        exponent = np.zeros_like(points.layers)
        for part, log_scale in zip(cls.measures, theta[2:], strict=True):
            exponent -= getattr(points, part) * np.exp(-log_scale)
        return np.asarray(np.exp(exponent, out=exponent))


@KERNELS.register("edit")
class EditKernel(_Exponential):
    """Networks are similar in value if they are close in edits and similar in size."""

    __slots__ = ()

    measures: ClassVar[tuple[str, ...]] = ("layers", "skips")
    names: ClassVar[tuple[str, ...]] = ("amplitude", "slope", "layer scale", "skip scale")
    centers: ClassVar[tuple[float, ...]] = (0.0, -1.2, 1.8, 1.0)  # a = 1, b = 0.3, l = 6, s = 2.7
    spreads: ClassVar[tuple[float, ...]] = (0.7, 0.9, 1.0, 1.0)


@KERNELS.register("graph")
class GraphKernel(_Exponential):
    """Networks are similar in value if close in edits, and similar in subtrees and size."""

    __slots__ = ()

    measures: ClassVar[tuple[str, ...]] = ("layers", "skips", "subtrees")
    names: ClassVar[tuple[str, ...]] = (*EditKernel.names, "subtree scale")
    centers: ClassVar[tuple[float, ...]] = (0.0, -1.2, 2.2, 1.2, 0.4)  # l = 9, s = 3.3, r = 1.5
    spreads: ClassVar[tuple[float, ...]] = (0.7, 0.9, 1.0, 1.0, 0.9)
