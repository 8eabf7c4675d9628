"""The paper's kernel, made consistent: a Gaussian on Bourgain's embedding of the edit distance.

A coordinate of x is its distance to the nearest member of a set of landmarks (Bourgain 1985;
Jin, Song & Hu 2019, arXiv:1806.10282, appendix F):

    c_j(x) = min over y in S_j of D(x, y) / √(number of sets)
    k(x, y) = a² exp(-|c(x) - c(y)|² / (2 l²)) + 1

The sets depend on the number of landmarks only, so that observed networks and candidates are points
of one Euclidean space and the kernel is positive definite. The Gaussian is exact between landmarks
and projected onto them elsewhere, as for every kernel here.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from core.similarity.edit_distance import Floats
from core.surrogate.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points, projection

_SEED = 1985


@KERNELS.register("bourgain")
@dataclass(frozen=True, slots=True)
class BourgainKernel(AbstractKernel):
    """Networks are similar in value if they have similar distances to the same sets."""

    amplitude: float  # a
    scale: float  # l, in edits
    landmarks: Floats  # c of the landmarks; shape: (m, number of sets)
    project: Floats  # shape: (m, r)

    measures: ClassVar[tuple[str, ...]] = ("layers", "skips")
    names: ClassVar[tuple[str, ...]] = ("amplitude", "scale")
    centers: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    spreads: ClassVar[tuple[float, ...]] = (0.7, 1.0)

    @classmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        amplitude, scale = np.exp(theta)
        embedded = _embed(geometry.landmarks)
        near = np.exp(-cdist(embedded, embedded, "sqeuclidean") / (2 * scale**2))
        return cls(amplitude, scale, embedded, projection(near))

    @classmethod
    def gram(cls, theta: Floats, geometry: Geometry, chosen: Points) -> tuple[Floats, Floats]:
        amplitude, scale = np.exp(theta)
        embedded = _embed(chosen)
        squared = cdist(embedded, embedded, "sqeuclidean") / scale**2
        near = amplitude**2 * np.exp(-squared / 2)
        return near + 1, np.array([2 * near, near * squared])

    def features(self, a: Points) -> Floats:
        squared = cdist(_embed(a), self.landmarks, "sqeuclidean")
        near = self.amplitude * np.exp(-squared / (2 * self.scale**2)) @ self.project
        return np.concatenate([near, np.ones((len(a), 1))], axis=1)

    def remainder(self, a: Points, features: Floats) -> Floats:
        near = features[:, : self.project.shape[1]]
        return np.asarray(np.maximum(0.0, self.amplitude**2 - (near**2).sum(axis=1)))


def _embed(points: Points) -> Floats:
    """c of the points: (n) -> (n, number of sets)"""
    distances = points.layers + points.skips
    sets = _draw_sets(distances.shape[1])
    columns = [distances[:, members].min(axis=1) for members in sets]
    return np.asarray(np.stack(columns, axis=1) / np.sqrt(len(sets)))


@lru_cache(maxsize=16)
def _draw_sets(m: int) -> tuple[NDArray[np.intp], ...]:
    """⌈log₂ m⌉ scales of ⌈log₂ m⌉ sets each; at scale i each landmark is in with chance 2^-i."""
    rng = np.random.default_rng(_SEED)
    scales = max(1, ceil(log2(max(m, 2))))
    drawn = []
    for scale in range(scales):
        for _ in range(scales):
            members = np.flatnonzero(rng.random(m) < 2.0**-scale)
            drawn.append(members if len(members) else rng.integers(m, size=1))
    return tuple(drawn)
