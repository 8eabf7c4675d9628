"""The interface of kernels: inner products of features, and a variance of each architecture's own.

Notation
    L          the landmarks: architectures fixed at each refit
    n, m, p    number of points, of landmarks, of features
    θ          the logarithms of a kernel's hyper-parameters
    ψ          features of a point; shape (p,)
    ρ          remainder: variance of a point that its features do not explain

    k(x, y) = ψ(x)·ψ(y) + [x = y] √(ρ(x) ρ(y))

A kernel sees an architecture only through `Points`: its distances to the landmarks, a few sizes,
and its fingerprint. So its matrix is positive semi-definite for any batch of points, the
covariances of one point do not depend on the others in a batch, and a Gaussian process with it
costs O(n p²). With all observations as landmarks it is exact, with some it is the sparse one of
Snelson & Ghahramani 2006 (FITC).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.registry import Registry
from core.similarity import graph_features, weisfeiler_lehman
from core.similarity.distance_cache import memory
from core.similarity.edit_distance import Floats, distinct_spans, lanes
from core.similarity.encoding import EncodedGraphs, Hashes

MEASURES = ("layers", "skips", "subtrees", "form")  # fields of Points that a kernel may use
_FARTHEST = 4.0  # standard deviations of the landmarks to which features are clipped
_SMALLEST = 1e-6  # of the largest eigenvalue; smaller ones are rounding errors


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Architectures as kernels see them."""

    names: NDArray[np.str_]  # shape: (n,), fingerprints
    layers: Floats  # shape: (n, m), layer distances to the landmarks, in edits
    skips: Floats  # shape: (n, m), skip distances to the landmarks, in edits
    subtrees: Floats  # shape: (n, m), shares of the subtrees not in common with the landmarks
    sizes: Floats  # shape: (n, 3), log parameters, log FLOPs, log depth, standardised
    form: Floats  # shape: (n, len(core.similarity.graph_features.NAMES)), standardised, clipped
    graph: Floats  # the same numbers of each graph as they are

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: NDArray[np.intp] | slice) -> "Points":
        return Points(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @staticmethod
    def joined(parts: "Sequence[Points]") -> "Points":
        """All points of one part, then those of the next."""
        return Points(
            *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Points))
        )

    def between(self, columns: NDArray[np.intp]) -> "Points":
        """The same points, measured from some of the landmarks only."""
        return Points(
            self.names,
            self.layers[:, columns],
            self.skips[:, columns],
            self.subtrees[:, columns],
            self.sizes,
            self.form,
            self.graph,
        )


class Geometry:
    """The landmarks, and the measurement of other architectures from them.

    Fields of `Points` that are not among `measures` are not computed: they are zero.
    """

    def __init__(
        self,
        landmarks: Sequence[Architecture],
        measures: Collection[str] = MEASURES,
        like: "Geometry | None" = None,
    ) -> None:
        """Sizes and forms are standardised like those of `like`, or by these landmarks."""
        self.architectures = list(landmarks)
        self._measures = measures
        self._memory = memory()
        graphs = self._memory.encoder.coder.encode(landmarks)
        self._landmarks = self._memory.encoder.encode_graphs(graphs)
        self._lanes = lanes(self._landmarks)
        self._spans = distinct_spans(self._landmarks)
        labels, forms = self._described(landmarks, graphs)
        self._landmark_labels = weisfeiler_lehman.Index.of(labels)
        self._sizes: _Standard = like._sizes if like else _Standard.of(sizes(landmarks))
        self._forms: _Standard = like._forms if like else _Standard.of(forms)
        self.landmarks = self._measure(landmarks)
        self._index_of = {str(name): i for i, name in enumerate(self.landmarks.names)}
        self._known: dict[str, int] = {}  # by fingerprint, indices into `_kept`
        self._kept = self.landmarks[:0]

    def points(
        self, architectures: Sequence[Architecture], parent: Architecture | None = None
    ) -> Points:
        """The architectures as kernels see them: each depends only on itself and the landmarks.

        Children of `parent` are measured faster.
        """
        indices = [self._known.get(one.fingerprint, -1) for one in architectures]
        unknown = [one for one, index in zip(architectures, indices, strict=True) if index < 0]
        if not unknown:
            return self._kept[np.array(indices, dtype=np.intp)]
        if len(unknown) == len(architectures):
            return self._measure(architectures, parent)
        both = Points.joined([self._kept, self._measure(unknown, parent)])
        new = iter(range(len(self._kept), len(both)))
        chosen = [next(new) if index < 0 else index for index in indices]
        return both[np.array(chosen, dtype=np.intp)]

    def remember(self, architectures: Sequence[Architecture]) -> None:
        """Keep the points of these architectures: observed ones are used at every suggestion."""
        unknown = {
            one.fingerprint: one for one in architectures if one.fingerprint not in self._known
        }
        if unknown:
            for name in unknown:
                self._known[name] = len(self._known)
            self._kept = Points.joined([self._kept, self._measure(list(unknown.values()))])

    def with_landmarks(self, more: Sequence[Architecture]) -> "Geometry":
        """The geometry with further landmarks, in the same units."""
        return Geometry([*self.architectures, *more], self._measures, like=self)

    def slope(self, points: Points, slopes: Sequence[float]) -> Floats:
        """Graph features times slopes, 0 at the landmarks' mean: (n), (p,) -> (n,)"""
        return np.asarray((points.graph - self._forms.center) @ np.array(slopes))

    def landmark_indices(self, points: Points) -> NDArray[np.intp]:
        """The index of each point among the landmarks, -1 for others: (n) -> (n,)"""
        return np.array([self._index_of.get(str(name), -1) for name in points.names], dtype=np.intp)

    def _measure(
        self, architectures: Sequence[Architecture], parent: Architecture | None = None
    ) -> Points:
        """The architectures as kernels see them; without a parent distances are remembered."""
        encoder = self._memory.encoder
        graphs = encoder.coder.encode(architectures)
        encoded = encoder.encode_graphs(graphs)
        if parent is None:
            layers = self._memory.layer_distances(encoded, self._landmarks)
            skips = self._memory.skip_distances(encoded, self._landmarks)
        else:
            (origin,) = encoder.encode([parent])
            layers = encoder.child_layer_distances(origin, encoded, self._lanes)
            skips = encoder.skip_distances(encoded, self._spans)
        labels, forms = self._described(architectures, graphs)
        trees = weisfeiler_lehman.distances(labels, self._landmark_labels)
        names = np.array([one.fingerprint for one in architectures], dtype=np.str_)
        return self.standardised(names, layers, skips, trees, sizes(architectures), forms)

    def standardised(
        self,
        names: NDArray[np.str_],
        layers: Floats,
        skips: Floats,
        trees: Floats,
        own_sizes: Floats,
        forms: Floats,
    ) -> Points:
        """The points of measured distances, and of sizes and forms that are to be standardised."""
        near = np.clip(self._forms(forms), -_FARTHEST, _FARTHEST)
        return Points(names, layers, skips, trees, self._sizes(own_sizes), near, forms)

    def _described(
        self, architectures: Sequence[Architecture], graphs: EncodedGraphs
    ) -> tuple[list[Hashes], Floats]:
        """The subtrees of each architecture, and the forms; empty and zero unless measured."""
        coder = self._memory.encoder.coder
        labels = [np.zeros(0, np.uint64)] * len(architectures)
        forms = np.zeros((len(architectures), len(graph_features.NAMES)))
        if "subtrees" in self._measures:
            labels = weisfeiler_lehman.labels(graphs, coder.hashes)
        if "form" in self._measures:
            forms = graph_features.graph_features(architectures, graphs, coder.facts)
        return labels, forms


@dataclass(frozen=True, slots=True)
class _Standard:
    """Standardisation of columns by the mean and standard deviation of the landmarks."""

    center: Floats  # shape: (k,)
    scale: Floats  # shape: (k,)

    @classmethod
    def of(cls, columns: Floats) -> "_Standard":
        """The standardisation by the landmarks' columns, (m, k)."""
        if not len(columns):
            return cls(np.zeros(columns.shape[1]), np.ones(columns.shape[1]))
        spread = columns.std(axis=0)
        return cls(columns.mean(axis=0), np.where(spread > 1e-9, spread, 1.0))

    def __call__(self, columns: Floats) -> Floats:
        """(n, k) -> (n, k)"""
        return (columns - self.center) / self.scale


def sizes(architectures: Sequence[Architecture]) -> Floats:
    """log parameters, log FLOPs, log depth; cheap, and good predictors by themselves: (n, 3)"""
    rows = [(one.parameters, one.flops, len(one.nodes)) for one in architectures]
    return np.log1p(np.array(rows, dtype=np.float64).reshape(-1, 3))


def same(a: Points, b: Points) -> NDArray[np.bool_]:
    """Which points are the same architecture: (n), (m) -> (n, m)"""
    return np.asarray(a.names[:, None] == b.names[None, :])


class AbstractKernel(ABC):
    """A covariance between architectures, in units of the standardised objective."""

    measures: ClassVar[tuple[str, ...]]  # the fields of Points that it uses, of MEASURES
    names: ClassVar[tuple[str, ...]]  # of the hyper-parameters
    centers: ClassVar[tuple[float, ...]]  # prior means of θ
    spreads: ClassVar[tuple[float, ...]]  # prior standard deviations of θ

    @classmethod
    @abstractmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        """The kernel with these hyper-parameters over these landmarks."""

    @classmethod
    @abstractmethod
    def gram(cls, theta: Floats, geometry: Geometry, chosen: Points) -> tuple[Floats, Floats]:
        """The covariances of some landmarks among themselves, and their derivatives by θ.

        `chosen` are measured from themselves: (k) -> (k, k), (len(θ), k, k). For fitting, so before
        the projection that makes them positive semi-definite.
        """

    @abstractmethod
    def features(self, a: Points) -> Floats:
        """ψ: (n) -> (n, p)"""

    @abstractmethod
    def remainder(self, a: Points, features: Floats) -> Floats:
        """ρ, of points with these features: (n), (n, p) -> (n,)"""

    def __call__(self, a: Points, b: Points) -> Floats:
        """The covariances: (n), (m) -> (n, m)"""
        left, right = self.features(a), self.features(b)
        own = np.sqrt(self.remainder(a, left))[:, None] * np.sqrt(self.remainder(b, right))
        return np.asarray(left @ right.T + same(a, b) * own)

    def variances(self, a: Points) -> Floats:
        """The diagonal of `self(a, a)`: (n) -> (n,)"""
        features = self.features(a)
        return np.asarray((features**2).sum(axis=1) + self.remainder(a, features))


def projection(gram: Floats) -> Floats:
    """P with which e(x, L) P are features whose products are e(x, L) e(L, L)⁺ e(L, y).

    Negative eigenvalues of e(L, L), and tiny ones, are dropped: (m, m) -> (m, r)
    """
    if not len(gram):
        return np.zeros((0, 0))
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    kept = values > _SMALLEST * values[-1]
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


KERNELS: Registry[AbstractKernel] = Registry("kernel")
