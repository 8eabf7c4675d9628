"""What every kernel is: one callable, used the same way to fit and to predict.

Notation
    L          the landmarks: architectures fixed at each refit
    n, m       number of points, of landmarks
    θ          the logarithms of a kernel's hyper-parameters

A kernel sees an architecture only through `Points`: its distances to the landmarks, a few
features, and who it is. Whatever batch of points it is asked about, its matrix is positive
semi-definite, because each kernel is a sum of inner products and of identities.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from core.architecture import Architecture
from core.distance import Encoded, Encoder, Floats
from core.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Architectures as kernels see them; equal to itself alone, so that it can be a key."""

    names: NDArray[np.str_]  # shape: (n,), fingerprints
    layers: Floats  # shape: (n, m), layer distances to the landmarks, in edits
    skips: Floats  # shape: (n, m), skip distances to the landmarks, in edits
    features: Floats  # shape: (n, 3), log parameters, log FLOPs, log depth, standardised

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: NDArray[np.intp] | slice) -> "Points":
        return Points(
            self.names[chosen], self.layers[chosen], self.skips[chosen], self.features[chosen]
        )


class Geometry:
    """The landmarks, and where other architectures lie between them."""

    def __init__(self, landmarks: Sequence[Architecture]) -> None:
        self._encoder = Encoder()
        self._known: dict[int, _Row] = {}  # by the id of the row's architecture
        self._landmarks: list[Encoded] = [self._encoder.encode(one) for one in landmarks]
        raw = _features(landmarks)
        self._center: Floats = raw.mean(axis=0)
        spread = raw.std(axis=0)
        self._scale: Floats = np.where(spread > 1e-9, spread, 1.0)
        self.landmarks = self.points(landmarks)

    def points(self, architectures: Sequence[Architecture]) -> Points:
        """The architectures as kernels see them; depends on nothing but them and the landmarks."""
        self._learn([one for one in architectures if id(one) not in self._known])
        rows = [self._known[id(one)] for one in architectures]
        shape = len(rows), len(self._landmarks)
        return Points(
            np.array([one.fingerprint for one in architectures], dtype=np.str_),
            np.array([row.layers for row in rows]).reshape(shape),
            np.array([row.skips for row in rows]).reshape(shape),
            (_features(architectures) - self._center) / self._scale,
        )

    def _learn(self, architectures: Sequence[Architecture]) -> None:
        """Measure the distances of some architectures: the observed ones are asked for again."""
        encoded = [self._encoder.encode(one) for one in architectures]
        layers = self._encoder.layer_distances(encoded, self._landmarks)
        skips = self._encoder.skip_distances(encoded, self._landmarks)
        for place, one in enumerate(architectures):
            self._known[id(one)] = _Row(one, layers[place], skips[place])


@dataclass(frozen=True, slots=True)
class _Row:
    """The distances of one architecture, which it keeps alive, to the landmarks."""

    architecture: Architecture
    layers: Floats  # shape: (m,)
    skips: Floats  # shape: (m,)


def _features(architectures: Sequence[Architecture]) -> Floats:
    """log parameters, log FLOPs, log depth: cheap, and hard to beat alone. shape: (n, 3)"""
    rows = [(one.parameters, one.flops, len(one.nodes)) for one in architectures]
    return np.log1p(np.array(rows, dtype=np.float64).reshape(-1, 3))


def same(a: Points, b: Points) -> NDArray[np.bool_]:
    """Which points are the same architecture: (n), (m) -> (n, m)"""
    return np.asarray(a.names[:, None] == b.names[None, :])


class AbstractKernel(ABC):
    """A covariance between architectures, in units of the standardised objective."""

    names: ClassVar[tuple[str, ...]]  # of the hyper-parameters
    centers: ClassVar[tuple[float, ...]]  # prior means of θ
    spreads: ClassVar[tuple[float, ...]]  # prior standard deviations of θ

    @classmethod
    @abstractmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        """The kernel with these hyper-parameters over these landmarks."""

    @abstractmethod
    def __call__(self, a: Points, b: Points) -> Floats:
        """The covariances: (n), (m) -> (n, m)"""

    @abstractmethod
    def variances(self, a: Points) -> Floats:
        """The diagonal of `self(a, a)`: (n) -> (n,)"""


KERNELS: Registry[AbstractKernel] = Registry("kernel")
