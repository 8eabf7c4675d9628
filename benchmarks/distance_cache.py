"""Distances between the networks of a table, each measured once.

A search over a table fits its surrogate many times, and the next search sees the same networks. The
distances that `Geometry` would measure every time are kept here by landmark.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.similarity import graph_features, weisfeiler_lehman
from core.similarity.edit_distance import Encoder, Floats
from core.surrogate.kernels import Geometry, Points
from core.surrogate.kernels.abstract import sizes

MAX_DISTANCES = 20_000_000  # of each kind that are kept: 160 MB


class DistanceCache:
    """The kernels' representation of a table's networks, for any landmarks among them."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._encoder = Encoder()
        graphs = self._encoder.coder.encode(architectures)
        self._encoded = self._encoder.encode_graphs(graphs)
        self._labels = weisfeiler_lehman.labels(graphs, self._encoder.coder.hashes)
        self._features = graph_features.graph_features(
            architectures, graphs, self._encoder.coder.facts
        )
        self._sizes = sizes(architectures)
        self._names = np.array([one.fingerprint for one in architectures], dtype=np.str_)
        self._index_of = {str(name): index for index, name in enumerate(self._names)}
        self._clear()

    def points(self, geometry: Geometry, indices: NDArray[np.intp] | slice) -> Points:
        """The geometry's points of some lines; its landmarks must be lines of the table."""
        rows = self._rows([self._index_of[str(name)] for name in geometry.landmarks.names])
        layers, skips, trees = (kept[rows].T[indices] for kept in self._kept)
        own = self._sizes[indices], self._features[indices]
        return geometry.standardised(self._names[indices], layers, skips, trees, *own)

    def _rows(self, landmarks: Sequence[int]) -> list[int]:
        """The rows of the distances to these lines, which are measured where they are missing."""
        new = [index for index in landmarks if index not in self._row_of]
        if (len(self._row_of) + len(new)) * len(self._names) > MAX_DISTANCES:
            self._clear()
            new = list(landmarks)
        if new:
            for index in new:
                self._row_of[index] = len(self._row_of)
            measured = self._measure(new)
            self._kept = [
                np.concatenate([kept, more.T])
                for kept, more in zip(self._kept, measured, strict=True)
            ]
        return [self._row_of[index] for index in landmarks]

    def _measure(self, new: Sequence[int]) -> tuple[Floats, Floats, Floats]:
        """The distances of all lines to some.  # shape of each: (lines, new)"""
        encoded = [self._encoded[index] for index in new]
        return (
            self._encoder.layer_distances(self._encoded, encoded),
            self._encoder.skip_distances(self._encoded, encoded),
            weisfeiler_lehman.distances(self._labels, [self._labels[index] for index in new]),
        )

    def _clear(self) -> None:
        self._row_of: dict[int, int] = {}
        self._kept: list[Floats] = [np.zeros((0, len(self._names)))] * 3
