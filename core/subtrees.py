"""What a graph is made of: its Weisfeiler-Lehman subtrees, and how much two graphs share.

Each node has a label, what its layer is and roughly how wide; a round of refinement replaces it by
one for the label together with those of the nodes that it reads. The labels of all rounds make a
multiset c (Shervashidze et al. 2011; Ru et al. 2021, arXiv:2006.07556), and the distance is that
of Jaccard, of multisets:

    J(x, y) = 1 - Σ min(c(x), c(y)) / Σ max(c(x), c(y))

1 - J is positive definite (Gower 1971; Ralaivola et al. 2005), hence exp(-J / r) is as well.
Unlike an edit distance of sequences it sees which layer reads which, whatever the graph's form.
"""

import dataclasses
from collections.abc import Sequence
from math import log2

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.architecture import Architecture
from core.layers import LAYERS, AbstractLayer, Channels

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

ROUNDS = 2  # of refinement
_WIDTH_STEPS = 2  # labels of width per doubling


class SubtreeEncoder:
    """Gives each distinct subtree a number."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._first: dict[tuple[int, int], tuple[AbstractLayer, int]] = {}  # by id and width

    def encode(self, architecture: Architecture) -> Labels:
        """The subtrees of all nodes and rounds, sorted.  # shape: ((ROUNDS + 1) * nodes,)"""
        numbers = self._numbers
        shapes = architecture.shapes
        labels = {
            node.id: self._label(node.layer, shapes[node.id][0]) for node in architecture.nodes
        }
        found = list(labels.values())
        for _ in range(ROUNDS):
            refined: dict[int, int] = {}
            for node in architecture.nodes:
                match node.inputs:
                    case (source,):
                        key: object = (labels[node.id], labels[source])
                    case sources:
                        before = [labels[source] for source in sources]
                        key = (labels[node.id], *(sorted(before) if len(before) > 1 else before))
                refined[node.id] = numbers.setdefault(key, len(numbers))
            labels = refined
            found.extend(labels.values())
        return np.sort(np.array(found, dtype=np.int64))

    def _label(self, layer: AbstractLayer, width: int) -> int:
        known = self._first.get((id(layer), width))
        if known is not None:
            return known[1]
        key = _first_label(layer, width)
        number = self._numbers.setdefault(key, len(self._numbers))
        self._first[id(layer), width] = layer, number  # kept alive, so that its id stays its own
        return number


def _first_label(layer: AbstractLayer, width: int) -> tuple[object, ...]:
    """The kind, its attributes but its width, and its width up to a share of a doubling."""
    kind = LAYERS.kind_of(layer)
    if kind in ("input", "output"):
        return (kind,)
    own = {"filters", "units"} if layer.channels is Channels.OWN else set()
    fields = [
        getattr(layer, field.name)
        for field in dataclasses.fields(layer)  # type: ignore[arg-type]
        if field.name not in own
    ]
    return (kind, round(_WIDTH_STEPS * log2(width)), *fields)


def distances(one: Sequence[Labels], other: Sequence[Labels]) -> Floats:
    """J of every pair: (n), (m) -> (n, m)"""
    return np.asarray(_distances(*_joined(one), *_joined(other)))


def _joined(labels: Sequence[Labels]) -> tuple[Labels, Labels]:
    """All labels in a row, and where each graph's end."""
    ends = np.cumsum([len(one) for one in labels], dtype=np.int64)
    return np.concatenate([np.zeros(0, np.int64), *labels]), ends


@njit(cache=True, nogil=True)
def _distances(
    first: Labels,
    first_ends: Labels,  # shape: (n,)
    second: Labels,
    second_ends: Labels,  # shape: (m,)
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
