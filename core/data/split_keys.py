"""The groups or the times of examples: what tells which of them must stay together, or apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import text_of
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind

_TYPES = {SplitKind.GROUP: "biuSU", SplitKind.TIME: "iufM"}  # kinds of NumPy types
_EXPECTED = {
    SplitKind.GROUP: "integers or strings",
    SplitKind.TIME: "numbers or datetime64 (of texts take x.astype('datetime64[s]'))",
}
_NOUNS = {SplitKind.GROUP: "group", SplitKind.TIME: "different time"}


@dataclass(frozen=True, slots=True)
class SplitKeys:
    """Numbers of the groups, or ranks of the times, with the same meaning in all parts of a file.

    Parts may be missing, but for "train".
    """

    kind: SplitKind  # GROUP or TIME
    by_part: Mapping[str, NDArray[np.int64]]  # each (examples,)
    distinct: NDArray[Any]  # the group or time of each number
    source: str  # for messages: "column 'patient'"
    column: str = ""  # of a table

    def count(self, part: str) -> int:
        """How many groups or times a part has."""
        return len(np.unique(self.by_part[part]))

    @property
    def total(self) -> int:
        """How many groups or times there are in all."""
        return len(self.distinct)

    def in_words(self, count: int) -> str:
        """A number of groups or times."""
        return f"{count:,} {_NOUNS[self.kind]}{'s' * (count != 1)}"

    def text(self, number: int) -> str:
        """A group or time as people write it."""
        value = self.distinct[number]
        if isinstance(value, np.datetime64):
            return str(np.datetime_as_string(value, unit="auto"))
        return f"{value:.15g}" if isinstance(value, np.floating) else str(value)


def keys_of(
    kind: SplitKind, values: Mapping[str, NDArray[Any]], source: str, column: str = ""
) -> SplitKeys:
    """The keys in arrays (examples,) by part.

    Raises InvalidDataset for missing values and for types that are no groups or times.
    """
    for part, array in values.items():
        _check(kind, array, f"{source} ({part})" if len(values) > 1 else source)
    _check_same(values, source)
    distinct, numbers = np.unique(_together(list(values.values())), return_inverse=True)
    ends = np.cumsum([len(array) for array in values.values()])
    by_part = dict(zip(values, np.split(numbers.astype(np.int64), ends[:-1]), strict=True))
    return SplitKeys(kind, by_part, distinct, source, column)


def _check(kind: SplitKind, array: NDArray[Any], source: str) -> None:
    if array.ndim != 1 or array.dtype.kind not in _TYPES[kind]:
        raise InvalidDataset(
            f"{source} is of type {array.dtype} and shape {array.shape}; expected {_EXPECTED[kind]}"
            ", one for each example"
        )
    if array.dtype.kind in "fM" and (missing := int((~np.isfinite(array)).sum())):
        raise InvalidDataset(
            f"{source} has no value in {missing:,} of {len(array):,} examples; expected one in "
            "each: fill or remove them"
        )


def _check_same(values: Mapping[str, NDArray[Any]], source: str) -> None:
    """Raise InvalidDataset where parts hold values that cannot be compared."""
    nouns = {"S": "strings", "U": "strings", "M": "dates"}
    found = sorted({nouns.get(array.dtype.kind, "numbers") for array in values.values()})
    if len(found) > 1:
        raise InvalidDataset(
            f"{source} holds {' and '.join(found)}; expected the same in all parts: convert one"
        )


def _together(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """The values of all parts; signed and unsigned integers stay exact, which NumPy's are not."""
    if np.result_type(*arrays).kind == "f" and all(array.dtype.kind in "iu" for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate([_decoded(array) for array in arrays])


def _decoded(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "S":
        return array
    return np.array([text_of(value) for value in array.tolist()])
