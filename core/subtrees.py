"""What a graph is made of: its Weisfeiler-Lehman subtrees, and how much two graphs share.

Each node has a label, what its layer is and roughly how wide; a round of refinement replaces it by
one for the label together with those of the nodes that it reads. The labels of all rounds make a
multiset c (Shervashidze et al. 2011; Ru et al. 2021, arXiv:2006.07556), and the distance is that
of Jaccard, of multisets:

    J(x, y) = 1 - Σ min(c(x), c(y)) / Σ max(c(x), c(y))

1 - J is positive definite (Gower 1971; Ralaivola et al. 2005), hence exp(-J / r) is as well.
Unlike an edit distance of sequences it sees which layer reads which, whatever the graph's form.
Labels are hashes of 64 bits, so that no table of them is kept.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from core.graphs import Floats, Graphs, Hashes, Integers

ROUNDS = 2  # of refinement


def labels(graphs: Graphs, hashes: Hashes) -> list[Hashes]:
    """The subtrees of all nodes and rounds of each graph, sorted.

    `hashes` are those of the graphs' codes; each result has shape ((ROUNDS + 1) * nodes,).
    """
    found = _refined(hashes[graphs.codes], graphs.ends, graphs.sources, graphs.source_ends, ROUNDS)
    starts = np.concatenate([[0], graphs.ends])[:-1]
    return [
        np.sort(found[:, start:end].ravel()) for start, end in zip(starts, graphs.ends, strict=True)
    ]


@njit(cache=True, nogil=True)
def _refined(
    first: Hashes,  # shape: (nodes,)
    ends: Integers,  # shape: (graphs,)
    sources: Integers,
    source_ends: Integers,  # shape: (nodes,)
    rounds: int,
) -> Hashes:  # shape: (rounds + 1, nodes)
    """label[r + 1, v] = mix(label[r, v], sum over what v reads of mix'(label[r, u]))"""
    found = np.empty((rounds + 1, len(first)), np.uint64)
    found[0] = first
    for r in range(rounds):
        start = edge = 0
        for end in ends:
            for v in range(start, end):
                read = np.uint64(0)
                while edge < source_ends[v]:
                    read += _mixed(found[r, start + sources[edge]] ^ np.uint64(0xA5A5A5A5A5A5A5A5))
                    edge += 1
                found[r + 1, v] = _mixed(found[r, v] + _mixed(read + np.uint64(r + 1)))
            start = end
    return found


@njit(cache=True, nogil=True)
def _mixed(x: np.uint64) -> np.uint64:
    """Every bit of the result depends on every bit of x (Steele et al. 2014, SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def distances(one: Sequence[Hashes], other: Sequence[Hashes]) -> Floats:
    """J of every pair: (n), (m) -> (n, m)"""
    return np.asarray(_distances(*_joined(one), *_joined(other)))


def _joined(rows: Sequence[Hashes]) -> tuple[Hashes, Integers]:
    """All labels in a row, and where each graph's end."""
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    return np.concatenate([np.zeros(0, np.uint64), *rows]), ends


@njit(cache=True, nogil=True)
def _distances(
    first: Hashes,
    first_ends: Integers,  # shape: (n,)
    second: Hashes,
    second_ends: Integers,  # shape: (m,)
) -> Floats:  # shape: (n, m)
    """Both rows of labels are walked through side by side."""
    result = np.empty((len(first_ends), len(second_ends)))
    start = 0
    for p in range(len(first_ends)):
        begin = 0
        for q in range(len(second_ends)):
            i, j, shared = start, begin, 0
            while i < first_ends[p] and j < second_ends[q]:
                if first[i] == second[j]:
                    shared += 1
                    i += 1
                    j += 1
                elif first[i] < second[j]:
                    i += 1
                else:
                    j += 1
            union = first_ends[p] - start + second_ends[q] - begin - shared
            result[p, q] = 1.0 - shared / union if union else 0.0
            begin = second_ends[q]
        start = first_ends[p]
    return result
