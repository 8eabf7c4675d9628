"""A table as it was read, and its columns once they are understood.

Notation
    n   rows
    NaN, -1   a missing number, a missing text
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Rows = NDArray[np.intp]

MAX_COLUMNS = 2_000
MAX_ROWS = 5_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of equal length, each of a type of Arrow.

    Columns of strings are of an unknown kind, as in a CSV file; dictionaries are categories.
    """

    columns: Mapping[str, pa.ChunkedArray]
    decimal_comma: bool = False  # whether "1,5" is a number
    notes: tuple[str, ...] = ()  # what was done on reading
    #: Rows of each part of the files ("train", "validation", "test"), which follow each other.
    parts: Mapping[str, int] | None = None  # None: all are for training

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def parts_of(self, rows: Rows) -> dict[str, Rows]:
        """The indices into sorted `rows` that each part has."""
        parts = {"train": len(self)} if self.parts is None else self.parts
        ends = np.searchsorted(rows, np.cumsum(list(parts.values())))
        return dict(zip(parts, np.split(np.arange(len(rows)), ends[:-1]), strict=True))


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers, dates among them."""

    values: NDArray[np.float64]  # shape: (n,)
    is_date: bool = False  # days since 1970
    warning: str = ""  # about cells that are no numbers and count as missing

    def take(self, rows: Rows) -> "Numbers":
        """The column of these rows alone."""
        return Numbers(self.values[rows], self.is_date, self.warning)

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which cells have no value, (n,)."""
        return np.isnan(self.values)


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: indices into the texts that occur."""

    codes: NDArray[np.int64]  # shape: (n,)
    known: tuple[str, ...]
    warning: str = ""

    def take(self, rows: Rows) -> "Texts":
        """The column of these rows alone."""
        return Texts(self.codes[rows], self.known)

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which cells have no value, (n,)."""
        return self.codes < 0


Column = Numbers | Texts
