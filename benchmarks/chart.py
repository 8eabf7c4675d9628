"""Where the lines of a table lie between any of them, each distance taken once.

A search over a table learns anew again and again, and the next search meets the same networks: what
`Geometry` would measure for each of them again is kept here by landmark.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.similarity import graph_features, weisfeiler_lehman
from core.similarity.edit_distance import Encoder, Floats
from core.surrogate.kernels import Geometry, Points
from core.surrogate.kernels.abstract import sizes

MOST_CELLS = 20_000_000  # distances of each kind that are kept: 160 MB


class Chart:
    """The networks of a table as kernels see them, from whichever of them is a landmark."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._encoder = Encoder()
        graphs = self._encoder.coder.encode(architectures)
        self._encoded = self._encoder.encode_graphs(graphs)
        self._labels = weisfeiler_lehman.labels(graphs, self._encoder.coder.hashes)
        self._form = graph_features.graph_features(architectures, graphs, self._encoder.coder.facts)
        self._sizes = sizes(architectures)
        self._names = np.array([one.fingerprint for one in architectures], dtype=np.str_)
        self._place_of = {str(name): place for place, name in enumerate(self._names)}
        self._forget()

    def points(self, geometry: Geometry, places: NDArray[np.intp] | slice) -> Points:
        """The very points that the geometry, its landmarks among the lines, has for some lines."""
        rows = self._rows([self._place_of[str(name)] for name in geometry.landmarks.names])
        layers, skips, trees = (kept[rows].T[places] for kept in self._kept)
        own = self._sizes[places], self._form[places]
        return geometry.standardised(self._names[places], layers, skips, trees, *own)

    def _rows(self, landmarks: Sequence[int]) -> list[int]:
        """Where the distances to these lines are kept, once they are measured."""
        new = [place for place in landmarks if place not in self._row_of]
        if (len(self._row_of) + len(new)) * len(self._names) > MOST_CELLS:
            self._forget()
            new = list(landmarks)
        if new:
            for place in new:
                self._row_of[place] = len(self._row_of)
            measured = self._measured(new)
            self._kept = [
                np.concatenate([kept, more.T])
                for kept, more in zip(self._kept, measured, strict=True)
            ]
        return [self._row_of[place] for place in landmarks]

    def _measured(self, new: Sequence[int]) -> tuple[Floats, Floats, Floats]:
        """The distances of all lines to some: 3 × (lines, new)"""
        encoded = [self._encoded[place] for place in new]
        return (
            self._encoder.layer_distances(self._encoded, encoded),
            self._encoder.skip_distances(self._encoded, encoded),
            weisfeiler_lehman.distances(self._labels, [self._labels[place] for place in new]),
        )

    def _forget(self) -> None:
        self._row_of: dict[int, int] = {}
        self._kept: list[Floats] = [np.zeros((0, len(self._names)))] * 3
