"""Features of a network's graph: its size, its depth along paths, and its branching.

Some of them alone predict much of how well a network trains. They do not depend on what its blocks
look like, so they apply to networks of any kind.

Notation, over the nodes u that node v reads
    w         1 for a convolution or dense layer, else 0
    paths     number of paths from the input: paths[v] = Σ paths[u]
    shortest  fewest weighted layers on a path: shortest[v] = w[v] + min shortest[u]
    mean      mean number of weighted layers, over all paths:
              mean[v] = w[v] + Σ paths[u] mean[u] / paths[v]
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from core.graph.architecture import Architecture
from core.similarity.encoding import EncodedGraphs, Floats, Integers, NodeColumn

NAMES = (
    "log parameters",
    "log FLOPs",
    "log of the fewest weighted layers on a path",
    "log of the mean number of weighted layers on a path, over all paths",
    "log of the number of paths",
    "log of the inputs merged",
    "mean kernel",
    "mean log width",
    "log channels of the last map",
    "log indices of the last map",
)

# Plain numbers, as compiled code knows no enumerations.
_WEIGHTED, _KERNEL, _WIDTH, _IS_WIDE, _IS_SPATIAL, _CHANNELS, _POSITIONS = map(int, NodeColumn)


def graph_features(
    architectures: Sequence[Architecture], graphs: EncodedGraphs, facts: Floats
) -> Floats:
    """The features `NAMES` of each architecture.  # shape: (n, len(NAMES))

    `graphs` and `facts` are their encoding and the table of numbers of one `NodeEncoder`.
    """
    sizes = [(network.parameters, network.flops) for network in architectures]
    logs = np.log1p(np.array(sizes, dtype=np.float64).reshape(-1, 2))
    return np.concatenate([logs, _walk(facts, *_arrays(graphs))], axis=1)


def _arrays(graphs: EncodedGraphs) -> tuple[Integers, Integers, Integers, Integers]:
    return graphs.codes, graphs.ends, graphs.sources, graphs.source_ends


@njit(cache=True, nogil=True)
def _walk(
    facts: Floats,
    codes: Integers,  # shape: (nodes,)
    ends: Integers,  # shape: (n,)
    sources: Integers,
    source_ends: Integers,  # shape: (nodes,)
) -> Floats:  # shape: (n, 8)
    """The features that need a walk from input to output: all but the first two."""
    result = np.zeros((len(ends), 8))
    start = edge = 0
    for g in range(len(ends)):
        count = ends[g] - start
        paths, shortest, mean = np.empty(count), np.empty(count), np.empty(count)
        kernels = kernel_sum = wide = width_sum = merged = 0.0
        for v in range(count):
            code = codes[start + v]
            weighted, first = facts[code, _WEIGHTED], edge
            paths[v], shortest[v], mean[v] = 0.0, np.inf, 0.0
            while edge < source_ends[start + v]:
                u = sources[edge]
                paths[v] += paths[u]
                mean[v] += paths[u] * mean[u]
                shortest[v] = min(shortest[v], shortest[u])
                edge += 1
            if edge == first:
                paths[v], shortest[v] = 1.0, 0.0
            mean[v] = weighted + mean[v] / paths[v]
            shortest[v] += weighted
            merged += max(edge - first - 1, 0)
            if facts[code, _KERNEL] > 0 and weighted > 0:
                kernels += 1
                kernel_sum += facts[code, _KERNEL]
            wide += facts[code, _IS_WIDE]
            width_sum += facts[code, _WIDTH]
            if facts[code, _IS_SPATIAL] > 0:
                result[g, 6], result[g, 7] = facts[code, _CHANNELS], facts[code, _POSITIONS]
        last = count - 1
        result[g, 0], result[g, 1] = np.log1p(shortest[last]), np.log1p(mean[last])
        result[g, 2], result[g, 3] = np.log(paths[last]), np.log1p(merged)
        result[g, 4] = kernel_sum / kernels if kernels > 0 else 0.0
        result[g, 5] = width_sum / wide if wide > 0 else 0.0
        start = ends[g]
    return result
