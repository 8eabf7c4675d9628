"""A cache of the distances between architectures and landmarks.

A suggestion computes the distances of all observed architectures from the landmarks, and most of
both were there at the previous suggestion. Each distance has a table whose keys are the encoded
architectures. A table that would grow too large is emptied. The cache never changes a result.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.similarity.edit_distance import Encoded, Encoder, Floats

MAX_CELLS = 4_000_000  # of a table; 32 MB
MAX_LAYERS = 2_000  # distinct ones in an encoder; 32 MB of costs

Key = bytes
Measure = Callable[[NDArray[np.intp], NDArray[np.intp]], Floats]


@dataclass(slots=True)
class Table:
    """Distances by the keys of rows and columns; NaN marks a missing one."""

    _rows: dict[Key, int] = field(default_factory=dict)
    _columns: dict[Key, int] = field(default_factory=dict)
    _values: Floats = field(default_factory=lambda: np.full((64, 64), np.nan))

    def distances(self, rows: Sequence[Key], columns: Sequence[Key], measure: Measure) -> Floats:
        """The distances of all pairs: (n), (m) -> (n, m)

        `measure` computes the missing ones, given indices of rows and of columns.
        """
        if not (rows and columns):
            return np.zeros((len(rows), len(columns)))
        cells = np.ix_(*self._indices(rows, columns))
        values = self._values[cells]
        missing = _missing(np.isnan(values))
        for block in missing:
            values[np.ix_(*block)] = measure(*block)
        if missing:
            self._values[cells] = values
        return values

    def _indices(self, rows: Sequence[Key], columns: Sequence[Key]) -> tuple[list[int], list[int]]:
        """The indices of the keys, which are added to the table if they are new."""
        if len({*self._rows, *rows}) * len({*self._columns, *columns}) > MAX_CELLS:
            self._rows, self._columns = {}, {}
            self._values = np.full((64, 64), np.nan)
        i = [self._rows.setdefault(key, len(self._rows)) for key in rows]
        j = [self._columns.setdefault(key, len(self._columns)) for key in columns]
        size = np.array([len(self._rows), len(self._columns)])
        if (size > self._values.shape).any():
            shape = np.maximum(size + size // 4, self._values.shape)
            values = np.full(shape, np.nan)
            values[: self._values.shape[0], : self._values.shape[1]] = self._values
            self._values = values
        return i, j


def _missing(unknown: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The blocks to compute: new columns for all rows, then new rows for the other columns."""
    is_new = unknown.mean(axis=0) > 0.5
    rows, columns = np.arange(len(unknown)), np.flatnonzero(is_new)
    new_rows, others = np.flatnonzero(unknown[:, ~is_new].any(axis=1)), np.flatnonzero(~is_new)
    parts = [(rows, columns), (new_rows, others)]
    return [(i, j) for i, j in parts if len(i) and len(j)]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The cache of one thread: an encoder, and the distances between its encodings."""

    encoder: Encoder = field(default_factory=Encoder)
    layers: Table = field(default_factory=Table)
    skips: Table = field(default_factory=Table)

    def layer_distances(self, one: Sequence[Encoded], other: Sequence[Encoded]) -> Floats:
        """As `Encoder.layer_distances`: (n), (m) -> (n, m)"""
        return self.layers.distances(
            [x.tokens.tobytes() for x in one],
            [x.tokens.tobytes() for x in other],
            lambda i, j: self.encoder.layer_distances([one[k] for k in i], [other[k] for k in j]),
        )

    def skip_distances(self, one: Sequence[Encoded], other: Sequence[Encoded]) -> Floats:
        """As `Encoder.skip_distances`: (n), (m) -> (n, m)"""
        return self.skips.distances(
            [x.spans.tobytes() for x in one],
            [x.spans.tobytes() for x in other],
            lambda i, j: self.encoder.skip_distances([one[k] for k in i], [other[k] for k in j]),
        )


class _Thread(threading.local):
    """The storage of each thread's cache."""

    def __init__(self) -> None:
        self.memory = Memory()


_thread = _Thread()


def memory() -> Memory:
    """The cache of this thread; replaced by an empty one after too many distinct layers."""
    if len(_thread.memory.encoder) > MAX_LAYERS:
        _thread.memory = Memory()
    return _thread.memory
