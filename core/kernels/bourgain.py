"""The paper's kernel, made consistent: a Gaussian on Bourgain's embedding of the edit distance.

A coordinate of x is its distance to the nearest member of a set of landmarks (Bourgain 1985;
Jin, Song & Hu 2019, arXiv:1806.10282, appendix F):

    c_j(x) = min over y in S_j of D(x, y) / √(number of sets)
    k(x, y) = a² exp(-|c(x) - c(y)|² / (2 l²)) + 1

The sets are drawn once for a geometry by a generator of their own, so that observed networks and
candidates are points of one Euclidean space and the kernel is positive definite.
"""

from dataclasses import dataclass
from math import ceil, log2
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from core.distance import Floats
from core.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points

_SEED = 1985


@KERNELS.register("bourgain")
@dataclass(frozen=True, slots=True)
class BourgainKernel(AbstractKernel):
    """Similar distances to the same sets mean similar value."""

    amplitude: float  # a
    scale: float  # l, in edits
    sets: tuple[NDArray[np.intp], ...]  # S_j, indices of landmarks

    names: ClassVar[tuple[str, ...]] = ("amplitude", "scale")
    centers: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    spreads: ClassVar[tuple[float, ...]] = (0.7, 1.0)

    @classmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        amplitude, scale = np.exp(theta)
        return cls(amplitude, scale, _draw_sets(len(geometry.landmarks)))

    def __call__(self, a: Points, b: Points) -> Floats:
        squared = cdist(self._embed(a), self._embed(b), "sqeuclidean")
        return np.asarray(self.amplitude**2 * np.exp(-squared / (2 * self.scale**2)) + 1)

    def variances(self, a: Points) -> Floats:
        return np.full(len(a), self.amplitude**2 + 1)

    def _embed(self, points: Points) -> Floats:
        """c of the points: (n) -> (n, number of sets)"""
        distances = points.layers + points.skips
        columns = [distances[:, members].min(axis=1) for members in self.sets]
        return np.asarray(np.stack(columns, axis=1) / np.sqrt(len(self.sets)))


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
