"""Weighted Levenshtein distances of token sequences: of all pairs, and of children by windows.

Notation
    a, b     sequences of tokens
    c        cost of substituting one token by another, in [0, 1]
    A[i, j]  distance of the first i tokens of a from the first j of b (Wagner & Fischer 1974)
    B[i, j]  distance of a without its first i tokens from b without its first j
    K        LANES: the number of b that are laid out side by side and computed at once (SIMD)

    A[i, 0] = i,  A[0, j] = j,
    A[i, j] = min(A[i-1, j] + 1, A[i, j-1] + 1, A[i-1, j-1] + c(a_i, b_j)),

and B likewise from the other end. A child that has tokens w instead of its parent's window [p, s)
of a, and is otherwise the same, has the distance

    min over j of X[j] + B[s, j],

where X is the row that continues the parent's row A[p] through w (these are the midpoints of
Hirschberg 1975). The work grows with the length of the window, not of the child.

Costs are rounded up to multiples of `GRAIN`. Rounding up keeps the triangle inequality, and sums of
such numbers are exact in any order, so that windows give exactly the distances of a recomputation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tokens = NDArray[np.int64]

LANES = 8
GRAIN = 2.0**-42  # sums below 2048 are exact


@dataclass(frozen=True, slots=True)
class Lanes:
    """Sequences b ordered by length, in blocks of `LANES`, padded with token 0."""

    tokens: Tokens  # one block below another; shape: (rows, K)
    ends: Tokens  # the row where each block ends; shape: (blocks,)
    lengths: Tokens  # in this order; shape: (m,)
    indices: Tokens  # of the sequences in the caller's order; shape: (m,)

    def __len__(self) -> int:
        return len(self.indices)


def to_lanes(sequences: Sequence[Tokens]) -> Lanes:
    """The sequences in the layout of the compiled loops."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    indices = np.argsort(lengths, kind="stable")
    blocks = [np.zeros((0, LANES), np.int64)]
    for start in range(0, len(indices), LANES):
        chosen = indices[start : start + LANES]
        block = np.zeros((int(lengths[chosen].max()), LANES), np.int64)
        for lane, index in enumerate(chosen):
            block[: lengths[index], lane] = sequences[index]
        blocks.append(block)
    ends = np.cumsum([len(block) for block in blocks[1:]], dtype=np.int64)
    return Lanes(np.concatenate(blocks), ends, lengths[indices], indices)


def round_up(costs: Floats) -> Floats:
    """The costs as multiples of `GRAIN`."""
    return np.asarray(np.ceil(costs / GRAIN) * GRAIN)


def distances(costs: Floats, sequences: Sequence[Tokens], lanes: Lanes) -> Floats:
    """The distances of all pairs: (n), (m) -> (n, m)

    `costs` has the cost of substitution between tokens, rounded by `round_up`: (V, V).
    """
    order = sorted(range(len(sequences)), key=lambda index: sequences[index].tobytes())
    first, ends = _concatenate([sequences[index] for index in order])
    result = np.empty((len(sequences), len(lanes)))
    result[order] = _distances(
        costs, first, ends, lanes.tokens, lanes.ends, lanes.lengths, lanes.indices
    )
    return result


def child_distances(
    costs: Floats, parent: Tokens, children: Sequence[Tokens], lanes: Lanes
) -> Floats:
    """The same as `distances`, faster for sequences that differ from `parent` in a short window."""
    joined, ends = _concatenate(children)
    return np.asarray(
        _child_distances(
            costs, parent, joined, ends, lanes.tokens, lanes.ends, lanes.lengths, lanes.indices
        )
    )


def _concatenate(sequences: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
    """The tokens of all sequences in a row, and where each sequence ends."""
    ends = np.cumsum([len(sequence) for sequence in sequences], dtype=np.int64)
    return np.concatenate([np.zeros(0, np.int64), *sequences]), ends


@njit(cache=True, nogil=True)
def _distances(
    costs: Floats,  # shape: (V, V), of substitution between tokens
    first: Tokens,  # sorted: neighbours share the rows of A of their common start
    first_ends: Tokens,  # shape: (n,)
    tokens: Tokens,  # of Lanes, as the next three
    block_ends: Tokens,
    lengths: Tokens,
    indices: Tokens,
) -> Floats:  # shape: (n, m)
    result = np.empty((len(first_ends), len(indices)))
    longest = start = 0
    for end in first_ends:
        longest, start = max(longest, end - start), end
    for block in range(len(block_ends)):
        begin = block_ends[block - 1] if block else 0
        b = tokens[begin : block_ends[block]]
        rows = np.empty((longest + 1, len(b) + 1, LANES))  # A
        _fill_first(rows[0])
        previous = start = 0
        for p in range(len(first_ends)):
            length, shared = first_ends[p] - start, 0
            while shared < min(start - previous, length):
                if first[previous + shared] != first[start + shared]:
                    break
                shared += 1
            for i in range(shared, length):
                _next_row(rows[i], rows[i + 1], costs[first[start + i]], b)
            for q in range(block * LANES, min((block + 1) * LANES, len(indices))):
                result[p, indices[q]] = rows[length, lengths[q], q - block * LANES]
            previous, start = start, first_ends[p]
    return result


@njit(cache=True, nogil=True)
def _child_distances(
    costs: Floats,  # shape: (V, V)
    parent: Tokens,
    children: Tokens,
    child_ends: Tokens,  # shape: (n,)
    tokens: Tokens,  # of Lanes, as the next three
    block_ends: Tokens,
    lengths: Tokens,
    indices: Tokens,
) -> Floats:  # shape: (n, m)
    result = np.empty((len(child_ends), len(indices)))
    windows = _windows(parent, children, child_ends)
    deepest, highest, widest = 0, len(parent), 0
    for child in range(len(windows)):
        deepest, highest = max(deepest, windows[child, 0]), min(highest, windows[child, 1])
        widest = max(widest, windows[child, 3] - windows[child, 2])
    for block in range(len(block_ends)):
        begin = block_ends[block - 1] if block else 0
        b = tokens[begin : block_ends[block]]
        ahead = np.empty((deepest + 1, len(b) + 1, LANES))  # A, as far as the windows need it
        _fill_first(ahead[0])
        for i in range(deepest):
            _next_row(ahead[i], ahead[i + 1], costs[parent[i]], b)
        behind = np.empty((len(parent) + 1, len(b) + 1, LANES))  # B, likewise
        _fill_last(behind[len(parent)], lengths[block * LANES : (block + 1) * LANES])
        for i in range(len(parent) - 1, highest - 1, -1):
            _row_before(behind[i + 1], behind[i], costs[parent[i]], b)
        through = np.empty((widest + 1, len(b) + 1, LANES))  # X
        for child in range(len(windows)):
            p, s = windows[child, 0], windows[child, 1]
            start, end = windows[child, 2], windows[child, 3]
            for j in range(len(b) + 1):  # numba takes seconds to compile an array's assignment
                for lane in range(LANES):
                    through[0, j, lane] = ahead[p, j, lane]
            for i in range(end - start):
                _next_row(through[i], through[i + 1], costs[children[start + i]], b)
            least = _least_sum(through[end - start], behind[s])
            for q in range(block * LANES, min((block + 1) * LANES, len(indices))):
                result[child, indices[q]] = least[q - block * LANES]
    return result


@njit(cache=True, nogil=True)
def _windows(parent: Tokens, children: Tokens, child_ends: Tokens) -> Tokens:
    """For each child p, s, and where its tokens w start and end in `children`: (n, 4)"""
    windows = np.empty((len(child_ends), 4), np.int64)
    start = 0
    for child in range(len(child_ends)):
        end = child_ends[child]
        most = min(len(parent), end - start)
        before = 0
        while before < most and parent[before] == children[start + before]:
            before += 1
        after = 0
        while (
            after < most - before and parent[len(parent) - 1 - after] == children[end - 1 - after]
        ):
            after += 1
        windows[child, 0], windows[child, 1] = before, len(parent) - after
        windows[child, 2], windows[child, 3] = start + before, end - after
        start = end
    return windows


@njit(cache=True, nogil=True)
def _fill_first(row: Floats) -> None:
    """A[0] of a block: (columns + 1, K)"""
    for j in range(len(row)):
        row[j] = j


@njit(cache=True, nogil=True)
def _fill_last(row: Floats, lengths: Tokens) -> None:
    """The last row of B of a block: (columns + 1, K); infinite beyond the end of a shorter b."""
    for lane in range(LANES):
        length = lengths[lane] if lane < len(lengths) else 0
        for j in range(len(row)):
            row[j, lane] = length - j if j <= length else np.inf


@njit(cache=True, nogil=True)
def _next_row(above: Floats, row: Floats, cost: Floats, b: Tokens) -> None:
    """Fill A[i] from A[i - 1], both (columns + 1, K); `cost` has the costs of a_i, (V,)"""
    for lane in range(LANES):
        row[0, lane] = above[0, lane] + 1.0
    for j in range(len(b)):
        for lane in range(LANES):
            best = above[j, lane] + cost[b[j, lane]]
            dropped, inserted = above[j + 1, lane] + 1.0, row[j, lane] + 1.0
            best = dropped if dropped < best else best
            row[j + 1, lane] = inserted if inserted < best else best


@njit(cache=True, nogil=True)
def _row_before(below: Floats, row: Floats, cost: Floats, b: Tokens) -> None:
    """Fill B[i] from B[i + 1], as `_next_row` fills A."""
    for lane in range(LANES):
        row[len(b), lane] = below[len(b), lane] + 1.0
    for j in range(len(b) - 1, -1, -1):
        for lane in range(LANES):
            best = below[j + 1, lane] + cost[b[j, lane]]
            dropped, inserted = below[j, lane] + 1.0, row[j + 1, lane] + 1.0
            best = dropped if dropped < best else best
            row[j, lane] = inserted if inserted < best else best


@njit(cache=True, nogil=True)
def _least_sum(through: Floats, behind: Floats) -> Floats:
    """The least sum over the columns: (columns + 1, K) twice -> (K,)"""
    least = np.full(LANES, np.inf)
    for j in range(len(through)):
        for lane in range(LANES):
            total = through[j, lane] + behind[j, lane]
            least[lane] = total if total < least[lane] else least[lane]
    return least
