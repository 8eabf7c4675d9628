"""The Weisfeiler-Lehman subtrees of graphs, and the distance between their multisets.

Each node has a label for its layer and its approximate width. A round of refinement replaces it by
a label for the old label together with those of the nodes that it reads.

Notation
    c(x)   multiset of the labels of all rounds of graph x (Shervashidze et al. 2011; Ru et al.
           2021, arXiv:2006.07556)
    J      Jaccard distance of multisets, in [0, 1]:

    J(x, y) = 1 - Σ min(c(x), c(y)) / Σ max(c(x), c(y))

1 - J is positive definite (Gower 1971; Ralaivola et al. 2005), and hence exp(-J / r) is as well.
Unlike an edit distance of sequences it sees which layers read which, in graphs of any form. Labels
are 64-bit hashes, so that no table of labels is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from core.similarity.encoding import EncodedGraphs, Floats, Hashes, Integers

ROUNDS = 2  # of refinement


def labels(graphs: EncodedGraphs, hashes: Hashes) -> list[Hashes]:
    """The labels of all nodes and rounds of each graph, sorted.

    `hashes` has the hash of each code, (codes,); each result has shape ((ROUNDS + 1) * nodes,).
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
    """label[r + 1, v] = mix(label[r, v], Σ mix'(label[r, u])) over the nodes u that v reads."""
    found = np.empty((rounds + 1, len(first)), np.uint64)
    for v in range(len(first)):  # numba takes seconds to compile the assignment of an array
        found[0, v] = first[v]
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
    """A hash of which every bit depends on every bit of x (Steele et al. 2014, SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def distances(one: Sequence[Hashes], other: "Sequence[Hashes] | Index") -> Floats:
    """J of all pairs of sorted labels: (n), (m) -> (n, m)"""
    index = other if isinstance(other, Index) else Index.of(other)
    ends = np.cumsum([len(row) for row in one], dtype=np.int64)
    joined = np.concatenate([np.zeros(0, np.uint64), *one])
    return np.asarray(
        _distances(
            joined, ends, index.labels, index.ends, index.owners, index.counts, index.lengths
        )
    )


@dataclass(frozen=True, slots=True)
class Index:
    """The labels of m graphs, with the graphs that have each label and how often."""

    labels: Hashes  # distinct, sorted; shape: (v,)
    ends: Integers  # where each label's owners end; shape: (v,)
    owners: Integers  # indices of graphs; shape: (pairs of label and graph,)
    counts: Integers  # of the label in each owner; shape: as `owners`
    lengths: Integers  # number of labels of each graph; shape: (m,)

    @classmethod
    def of(cls, rows: Sequence[Hashes]) -> "Index":
        """The index of graphs, from the labels of each graph."""
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        joined = np.concatenate([np.zeros(0, np.uint64), *rows])
        owner_of = np.repeat(np.arange(len(rows)), lengths)
        order = np.lexsort((owner_of, joined))
        joined, owner_of = joined[order], owner_of[order]
        is_first = np.ones(len(joined), bool)
        is_first[1:] = (joined[1:] != joined[:-1]) | (owner_of[1:] != owner_of[:-1])
        firsts = np.flatnonzero(is_first)
        counts = np.diff(np.append(firsts, len(joined)))
        labels, starts = np.unique(joined[firsts], return_index=True)
        ends = np.append(starts[1:], len(firsts)).astype(np.int64)[: len(labels)]
        return cls(labels, ends, owner_of[firsts], counts.astype(np.int64), lengths)


@njit(cache=True, nogil=True)
def _place(labels: Hashes, label: np.uint64) -> int:
    """The index of the first of the sorted labels that is not below this one."""
    low, high = 0, len(labels)
    while low < high:
        middle = (low + high) // 2
        if labels[middle] < label:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _distances(
    first: Hashes,
    first_ends: Integers,  # shape: (n,)
    labels: Hashes,
    label_ends: Integers,
    owners: Integers,
    counts: Integers,
    lengths: Integers,  # shape: (m,)
) -> Floats:  # shape: (n, m)
    """J of all pairs; each distinct label of a graph is looked up once for all m graphs."""
    result = np.empty((len(first_ends), len(lengths)))
    start = 0
    for p in range(len(first_ends)):
        end = first_ends[p]
        shared = np.zeros(len(lengths), np.int64)
        i = start
        while i < end:
            j = i + 1
            while j < end and first[j] == first[i]:
                j += 1
            index = _place(labels, first[i])
            if index < len(labels) and labels[index] == first[i]:
                for k in range(label_ends[index - 1] if index else 0, label_ends[index]):
                    shared[owners[k]] += min(j - i, counts[k])
            i = j
        for q in range(len(lengths)):
            union = end - start + lengths[q] - shared[q]
            result[p, q] = 1.0 - shared[q] / union if union else 0.0
        start = end
    return result
