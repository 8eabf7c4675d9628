"""Splits by time: the latest examples are held out, as a network will meet later ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def time_split(times: NDArray[Any], fraction: float) -> tuple[Indices, Indices]:
    """Indices (training, held out), each sorted; all held out are later than all for training.

    Of the possible sizes the one next to `fraction` is taken: examples of one time stay together.
    With one time alone nothing is held out.
    """  # times shape: (n,)
    distinct, counts = np.unique(times, return_counts=True)
    if len(distinct) < 2:
        return np.arange(len(times)), np.empty(0, np.intp)
    sizes = np.cumsum(counts[:0:-1])[::-1]  # examples at the second time or later, the third, …
    first = distinct[1 + int(np.abs(sizes - fraction * len(times)).argmin())]
    is_held = times >= first
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)
