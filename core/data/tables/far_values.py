"""Values of a column or target far from all others: codes of missing values, sums, mistakes.

Notation
    n   rows, or examples
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.statistics import range_in_words
from core.data.tables.cells import shown

_FEWEST = 20  # values: of fewer, the range says little
_FAR = 100.0  # ranges of the others between a value and the next one, so that it is no chance
_MOST = (0.1, 0.9)  # quantiles between which most values are
_CODES = (99.0, 999.0, 9999.0, 99999.0)  # that people write for a missing value, with any sign


def about_far_values(name: str, values: NDArray[np.float64]) -> str:
    """A warning about the least or largest value of a column (n,), NaN where it has none; or ""."""
    return _about(values, f"column {shown(name)}", "row", "empty these cells or remove the rows")


def about_far_targets(names: Sequence[str], values: NDArray[np.float64]) -> tuple[str, ...]:
    """Warnings about the least or largest values of targets (n, targets) with these names."""
    found = (
        _about(one, f"target {shown(name)}", "example", "remove these examples")
        for name, one in zip(names, values.T, strict=True)
    )
    return tuple(filter(None, found))


def about_far_feature(feature: int, values: NDArray[np.float64]) -> str:
    """The same of a feature (n,) of vectors, unless most of its values are equal: it may be rare.

    So the words of texts, and the pixels at the border of images, are not warned of.
    """
    if len(values) < _FEWEST or np.isnan(values).any():
        return ""
    low, high = np.quantile(values, _MOST)
    if low == high:
        return ""
    return _about(
        values, f"feature {feature}", "example", "replace it in x or remove these examples"
    )


def _about(values: NDArray[np.float64], what: str, one: str, remedy: str) -> str:
    present = values[~np.isnan(values)]
    if len(present) < _FEWEST:
        return ""
    for extreme in (float(present.min()), float(present.max())):
        others = present[present != extreme]
        if len(others) < _FEWEST:
            continue
        low, high = float(others.min()), float(others.max())
        gap = min(abs(extreme / 2 - low / 2), abs(extreme / 2 - high / 2))
        if gap > (high / 2 - low / 2) * (1 if abs(extreme) in _CODES else _FAR) and low < high:
            count = len(present) - len(others)
            return (
                f"{what} has {extreme:.6g} in {count:,} {one}{'s' * (count > 1)}, far from its "
                f"other values ({range_in_words(low, high)}): where it means that there is no "
                f"value, or is a sum or a mistake, {remedy}"
            )
    return ""
