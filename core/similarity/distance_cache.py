"""Distances of many architectures to many landmarks, each taken once in a process.

A suggestion measures all observed architectures from the landmarks, and most of both were there at
the last one. What is remembered is a table a measure, by what the measure sees and not by whose
it is; it is forgotten as a whole where it would grow too large. So no answer depends on it.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.similarity.edit_distance import Encoded, Encoder, Floats

MOST_CELLS = 4_000_000  # of a table: 32 MB
MOST_LAYERS = 2_000  # distinct ones that an encoder knows: 32 MB of costs

Key = bytes
Measure = Callable[[NDArray[np.intp], NDArray[np.intp]], Floats]


@dataclass(slots=True)
class Table:
    """Distances by the keys of rows and columns; NaN where one is not known."""

    _rows: dict[Key, int] = field(default_factory=dict)
    _columns: dict[Key, int] = field(default_factory=dict)
    _values: Floats = field(default_factory=lambda: np.full((64, 64), np.nan))

    def distances(self, rows: Sequence[Key], columns: Sequence[Key], measure: Measure) -> Floats:
        """Between all pairs: (n), (m) -> (n, m)

        `measure` finds those that are not known, for some places of rows and some of columns.
        """
        if not (rows and columns):
            return np.zeros((len(rows), len(columns)))
        at = np.ix_(*self._places(rows, columns))
        found = self._values[at]
        missing = _missing(np.isnan(found))
        for some in missing:
            found[np.ix_(*some)] = measure(*some)
        if missing:
            self._values[at] = found
        return found

    def _places(self, rows: Sequence[Key], columns: Sequence[Key]) -> tuple[list[int], list[int]]:
        """Where the keys are, once there is room for them."""
        if len({*self._rows, *rows}) * len({*self._columns, *columns}) > MOST_CELLS:
            self._rows, self._columns = {}, {}
            self._values = np.full((64, 64), np.nan)
        i = [self._rows.setdefault(key, len(self._rows)) for key in rows]
        j = [self._columns.setdefault(key, len(self._columns)) for key in columns]
        wanted = np.array([len(self._rows), len(self._columns)])
        if (wanted > self._values.shape).any():
            shape = np.maximum(wanted + wanted // 4, self._values.shape)
            values = np.full(shape, np.nan)
            values[: self._values.shape[0], : self._values.shape[1]] = self._values
            self._values = values
        return i, j


def _missing(unknown: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns to be measured: new columns for all rows, then new rows for the others."""
    is_new = unknown.mean(axis=0) > 0.5
    rows, columns = np.arange(len(unknown)), np.flatnonzero(is_new)
    new_rows, others = np.flatnonzero(unknown[:, ~is_new].any(axis=1)), np.flatnonzero(~is_new)
    parts = [(rows, columns), (new_rows, others)]
    return [(i, j) for i, j in parts if len(i) and len(j)]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What one thread remembers: an encoder, and the distances in its numbers."""

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
    """Each thread has a memory of its own."""

    def __init__(self) -> None:
        self.memory = Memory()


_thread = _Thread()


def memory() -> Memory:
    """What this thread remembers; begun anew once it has seen too many layers."""
    if len(_thread.memory.encoder) > MOST_LAYERS:
        _thread.memory = Memory()
    return _thread.memory
