"""Features of vectors in arrays that look like codes of missing values, or like numbers of rows.

Notation
    n   examples that are looked at
    f   features
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import interruption
from core.data.tables.far_values import about_far_feature
from core.data.tables.row_numbers import numbering

_MOST_VALUES = 2**24  # that are looked at
_NAMED = 8  # features in a warning


def about_features(x: NDArray[Any]) -> list[str]:
    """Warnings about features of training examples (N, f), in their order.

    Bytes are not looked at: they are pixels or counts.
    """
    if x.dtype.kind not in "iuf" or x.dtype.itemsize == 1:
        return []
    far: list[tuple[int, str]] = []
    numbers: list[tuple[int, str]] = []
    rows = x[: max(1, _MOST_VALUES // x.shape[1])]
    for k in range(x.shape[1]):
        interruption.check()
        values = rows[:, k].astype(np.float64)
        far += _found(k, about_far_feature(k, values))
        numbers += _found(k, numbering(values))
    return [
        *_together(far, lambda one: one[1]),
        *_together(
            numbers,
            lambda one: (
                f"feature {one[0]} may only number the examples: {one[1]}; if so, remove "
                "it from x, since a network learns the order of the examples from it"
            ),
        ),
    ]


def _found(feature: int, words: str) -> list[tuple[int, str]]:
    return [(feature, words)] if words else []


def _together(
    found: Sequence[tuple[int, str]], warning: Callable[[tuple[int, str]], str]
) -> list[str]:
    """The warning about the first feature, with the others of its kind."""
    if not found:
        return []
    others = ", ".join(str(k) for k, _ in found[1:_NAMED]) + ", …" * (len(found) > _NAMED)
    more = f" (so for features {others})" if len(found) > 1 else ""
    return [warning(found[0]) + more]
