"""The skips of graphs: all inputs of a merge but the deepest, traced back to where they fork off.

Notation
    u  start of a skip: the depth, in counted layers, behind which its path forks off
    δ  number of counted layers that it spans

Among equally deep inputs the one that forks off last is not a skip, whatever the node ids.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.similarity.encoding import EncodedGraphs, Integers


def spans(graphs: EncodedGraphs, is_seen: NDArray[np.bool_], kinds: Integers) -> list[Integers]:
    """The skips (kind, u, δ) of each graph, sorted: n arrays of shape (skips, 3).

    `is_seen` marks the nodes that count as layers, `kinds` has the kind of each node as a number,
    both of shape (nodes,).
    """
    found, ends = _spans(is_seen, kinds, graphs.ends, graphs.sources, graphs.source_ends)
    limits = [0, *ends.tolist()]
    return [found[limits[g] : limits[g + 1]] for g in range(len(ends))]


@njit(cache=True, nogil=True)
def _spans(
    is_seen: NDArray[np.bool_],  # shape: (nodes,)
    kinds: Integers,  # shape: (nodes,)
    ends: Integers,  # shape: (n,)
    sources: Integers,
    source_ends: Integers,  # shape: (nodes,)
) -> tuple[Integers, Integers]:  # shapes: (skips, 3), (n,)
    # Every node but the input is read through one edge at least, and all others make skips.
    found = np.empty((len(sources) - len(is_seen) + len(ends), 3), np.int64)
    found_ends = np.empty(len(ends), np.int64)
    readers = _readers(ends, sources, source_ends)
    start = edge = count = 0
    for g in range(len(ends)):
        nodes = ends[g] - start
        depths = np.zeros(nodes, np.int64)
        forks = np.zeros(nodes, np.int64)  # depth behind which the chain to v forks off
        first_found = count
        for v in range(nodes):
            first, end = edge, source_ends[start + v]
            seen = 1 if is_seen[start + v] else 0
            if end - first == 1:
                u = sources[first]
                depths[v] = depths[u] + seen
                forks[v] = forks[u] if readers[start + v] == 1 else depths[v]
            else:
                deepest = _deepest(sources[first:end], depths, forks)
                depths[v] = forks[v] = seen + (
                    depths[sources[first + deepest]] if end > first else 0
                )
                for index in range(end - first):
                    if index != deepest:
                        u = sources[first + index]
                        found[count, 0] = kinds[start + v]
                        found[count, 1], found[count, 2] = forks[u], depths[v] - forks[u]
                        count += 1
            edge = end
        _sort(found[first_found:count])
        start, found_ends[g] = ends[g], count
    return found, found_ends


@njit(cache=True, nogil=True)
def _readers(ends: Integers, sources: Integers, source_ends: Integers) -> Integers:
    """The number of distinct readers of each node.  # shape: (nodes,)"""
    readers = np.zeros(len(source_ends), np.int64)
    start = edge = 0
    for end in ends:
        for v in range(start, end):
            first = edge
            while edge < source_ends[v]:
                is_new = True
                for before in range(first, edge):
                    is_new = is_new and sources[before] != sources[edge]
                readers[start + sources[edge]] += is_new
                edge += 1
        start = end
    return readers


@njit(cache=True, nogil=True)
def _deepest(inputs: Integers, depths: Integers, forks: Integers) -> int:
    """The index of the deepest input; among equally deep ones, the one that forks off last."""
    best = 0
    for index in range(1, len(inputs)):
        u, v = inputs[index], inputs[best]
        if depths[u] > depths[v] or (depths[u] == depths[v] and forks[u] > forks[v]):
            best = index
    return best


@njit(cache=True, nogil=True)
def _sort(rows: Integers) -> None:
    """Sort rows of three in place, by insertion, because they are few."""
    for i in range(1, len(rows)):
        j = i
        while j > 0 and _is_before(rows[j], rows[j - 1]):
            for k in range(3):
                rows[j, k], rows[j - 1, k] = rows[j - 1, k], rows[j, k]
            j -= 1


@njit(cache=True, nogil=True)
def _is_before(s: Integers, t: Integers) -> bool:
    for k in range(3):
        if s[k] != t[k]:
            return bool(s[k] < t[k])
    return False
