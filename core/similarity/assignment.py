"""The cheapest assignment of one architecture's skips to another's, for many pairs.

Notation
    s, t   skips: (kind as a number, u, δ)
    u      depth at which a skip starts, in layers
    δ      number of layers that it spans
    d      cost of assigning one skip to another, in [0, 1]

    d(s, t) = (|u_s - u_t| + |δ_s - δ_t|) / (max(u_s, u_t) + max(δ_s, δ_t)),  1 between kinds,

and each unassigned skip costs 1. The solver is written here because compiled code cannot call
scipy's `linear_sum_assignment`, and a call from Python for each of many small pairs is slow.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Spans = NDArray[np.int64]


@njit(cache=True, nogil=True)
def distances(
    first: Spans,  # shape: (skips, 3)
    first_ends: Spans,  # shape: (n,)
    second: Spans,
    second_ends: Spans,  # shape: (m,)
) -> Floats:  # shape: (n, m)
    """The cost of the cheapest assignment for every pair, in skips.

    `first` has the skips of n architectures in a row and `first_ends` where each one's end;
    `second` likewise. As d ≤ 1, it is optimal to assign as many skips as possible.
    """
    result = np.empty((len(first_ends), len(second_ends)))
    costs = np.empty((len(first), len(second)))
    for i in range(len(first)):
        for j in range(len(second)):
            costs[i, j] = _skip_cost(first[i], second[j])
    start = 0
    for p in range(len(first_ends)):
        end = first_ends[p]
        begin = 0
        for q in range(len(second_ends)):
            stop = second_ends[q]
            block = costs[start:end, begin:stop]
            if _is_row_side(first[start:end], second[begin:stop]):
                matched = least_cost(block)
            else:
                matched = least_cost(block.T)
            result[p, q] = matched + abs((end - start) - (stop - begin))
            begin = stop
        start = end
    return result


@njit(cache=True, nogil=True)
def _is_row_side(s: Spans, t: Spans) -> bool:
    """Whether s are the rows: the order of s and t does not matter, so distances are symmetric."""
    if len(s) != len(t):
        return len(s) < len(t)
    for i in range(len(s)):
        for k in range(3):
            if s[i, k] != t[i, k]:
                return bool(s[i, k] < t[i, k])
    return True


@njit(cache=True, nogil=True)
def _skip_cost(s: Spans, t: Spans) -> float:
    if s[0] != t[0]:
        return 1.0
    total = max(s[1], t[1]) + max(s[2], t[2])
    return float((abs(s[1] - t[1]) + abs(s[2] - t[2])) / total) if total else 0.0


@njit(cache=True, nogil=True)
def least_cost(costs: Floats) -> float:
    """The least sum of costs that assigns each row a column of its own: (n, m), n <= m

    The Hungarian method (Kuhn 1955) with potentials u of rows and v of columns. Rows are added one
    by one, each along the shortest path of reduced costs to a free column.
    """
    n, m = costs.shape
    u, v = np.zeros(n), np.zeros(m)
    lengths, is_final = np.empty(m), np.empty(m, np.bool_)
    row_of = np.empty(m, np.int64)  # of each column; -1: free
    before = np.empty(m, np.int64)  # column before each on its shortest path; -1: the new row
    for j in range(m):
        row_of[j] = -1
    for new in range(n):
        for j in range(m):
            lengths[j], is_final[j] = np.inf, False
        row, last, length = new, -1, 0.0
        while row >= 0:  # until the path ends in a free column
            nearest = -1
            for j in range(m):
                if not is_final[j]:
                    through = length + costs[row, j] - u[row] - v[j]
                    if through < lengths[j]:
                        lengths[j], before[j] = through, last
                    if nearest < 0 or lengths[j] < lengths[nearest]:
                        nearest = j
            is_final[nearest] = True
            length, last, row = lengths[nearest], nearest, row_of[nearest]
        u[new] += length
        for j in range(m):
            if is_final[j] and row_of[j] >= 0:
                u[row_of[j]] += length - lengths[j]
                v[j] -= length - lengths[j]
        while last >= 0:  # every row of the path moves one column on
            row_of[last] = new if before[last] < 0 else row_of[before[last]]
            last = before[last]
    total = 0.0
    for j in range(m):
        if row_of[j] >= 0:
            total += costs[row_of[j], j]
    return total
