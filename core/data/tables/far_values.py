"""Values of a column that lie far from all others: codes of missing values, sums, mistakes.

Notation
    n   rows
"""

import numpy as np
from numpy.typing import NDArray

from core.data.statistics import range_in_words
from core.data.tables.cells import shown

_FEWEST = 20  # values: of fewer, the range says little
_FAR = 100.0  # ranges of the others between a value and the next one, so that it is no chance
_CODES = (99.0, 999.0, 9999.0, 99999.0)  # that people write for a missing value, with any sign


def about_far_values(name: str, values: NDArray[np.float64]) -> str:
    """A warning about the least or largest of the values (n,), NaN where there is none; or ""."""
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
            return _warning(name, extreme, len(present) - len(others), low, high)
    return ""


def _warning(name: str, value: float, rows: int, low: float, high: float) -> str:
    count = "1 row" if rows == 1 else f"{rows:,} rows"
    return (
        f"column {shown(name)} has {value:.6g} in {count}, far from its other values "
        f"({range_in_words(low, high)}): where it means that there is no value, or is a sum or a "
        "mistake, empty these cells or remove the rows"
    )
