"""The edit distance between architectures: a layer part and a skip part.

Notation
    a, b   layers of two architectures in topological order, without input, output and merges
    c      cost of substituting one layer by another, in [0, 1]
    A      A[i, j]: distance of the first i layers of a from the first j of b
    u, δ   depth at which a skip starts, and how many layers deep it spans

Layers: the weighted Levenshtein distance (Jin, Song & Hu 2019, arXiv:1806.10282, eq. 7, with min
where print has max):

    A[i, 0] = i,  A[0, j] = j,
    A[i, j] = min(A[i-1, j] + 1, A[i, j-1] + 1, A[i-1, j-1] + c(a_i, b_j)).

c is 1 between kinds, else the mean of |x - y| / max(x, y) over the layer's attributes. Both parts
are metrics on what they see. Skips: the cheapest assignment, 1 for each one left over, with

    d(s, t) = (|u_s - u_t| + |δ_s - δ_t|) / (max(u_s, u_t) + max(δ_s, δ_t)),  1 between kinds.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.architecture import Architecture
from core.layers import LAYERS, AbstractLayer, Channels

Floats = NDArray[np.float64]
Skip = tuple[str, int, int]  # (kind of the merge, u, δ)

_UNSEEN = frozenset({Channels.UNIFIED, Channels.JOINED})  # merges are seen as skips
_ENDS = frozenset({"input", "output"})


@dataclass(frozen=True, slots=True)
class Encoded:
    """An architecture as the distance sees it; tokens are those of the encoder that made it."""

    tokens: NDArray[np.int64]  # shape: (layers,)
    skips: tuple[Skip, ...]  # sorted
    spans: NDArray[np.int64]  # shape: (skips, 3), the skips with the kind as a number


class Encoder:
    """Gives each distinct layer a number, and knows the cost between any two of them."""

    def __init__(self) -> None:
        self._tokens: dict[AbstractLayer, int] = {}
        self._known: dict[int, tuple[AbstractLayer, int]] = {}  # by id: layers are shared a lot
        self._layers: list[AbstractLayer] = []
        self._costs: Floats = np.zeros((0, 0))
        self._merges: dict[str, int] = {}

    def encode(self, architecture: Architecture) -> Encoded:
        """The architecture in this encoder's numbers."""
        seen = [node.layer for node in architecture.nodes if _is_seen(type(node.layer))]
        tokens = np.array([self._token(layer) for layer in seen], dtype=np.int64)
        found = skips(architecture)
        numbers = [(self._merges.setdefault(kind, len(self._merges)), u, d) for kind, u, d in found]
        return Encoded(tokens, found, np.array(numbers, dtype=np.int64).reshape(-1, 3))

    def layer_distances(self, one: Sequence[Encoded], other: Sequence[Encoded]) -> Floats:
        """The layer parts: (n), (m) -> (n, m)"""
        order = sorted(range(len(one)), key=lambda place: one[place].tokens.tolist())
        first, second = _joined([one[place] for place in order]), _joined(other)
        result = np.empty((len(one), len(other)))
        result[order] = _layer_distances(self._cost_matrix(), *first, *second)
        return result

    def skip_distances(self, one: Sequence[Encoded], other: Sequence[Encoded]) -> Floats:
        """The skip parts: (n), (m) -> (n, m)"""
        rows, row_of = _distinct(one)
        columns, column_of = _distinct(other)
        distances = _skip_distances(*_flat(rows), *_flat(columns))
        return np.asarray(distances[np.ix_(row_of, column_of)])

    def _token(self, layer: AbstractLayer) -> int:
        known = self._known.get(id(layer))
        if known is not None:
            return known[1]
        token = self._tokens.setdefault(layer, len(self._layers))
        if token == len(self._layers):
            self._layers.append(layer)
        self._known[id(layer)] = layer, token
        return token

    def _cost_matrix(self) -> Floats:
        known, n = len(self._costs), len(self._layers)
        if known < n:
            costs = np.zeros((n, n))
            costs[:known, :known] = self._costs
            for i in range(known, n):
                for j in range(i):
                    costs[i, j] = costs[j, i] = substitution(self._layers[i], self._layers[j])
            self._costs = costs
        return self._costs


def distance(one: Architecture, other: Architecture, skip_weight: float = 1.0) -> float:
    """d = D_layers + λ D_skips of two architectures, in edits."""
    encoder = Encoder()
    a, b = [encoder.encode(one)], [encoder.encode(other)]
    layers, skipped = encoder.layer_distances(a, b), encoder.skip_distances(a, b)
    return float(layers[0, 0] + skip_weight * skipped[0, 0])


def substitution(one: AbstractLayer, other: AbstractLayer) -> float:
    """The cost of one layer in place of another: 1 between kinds, else how their fields differ."""
    if type(one) is not type(other):
        return 1.0
    pairs = [
        (float(getattr(one, field.name)), float(getattr(other, field.name)))
        for field in dataclasses.fields(one)  # type: ignore[arg-type]
    ]
    return sum(_soergel(a, b) for a, b in pairs) / max(1, len(pairs))


def _soergel(a: float, b: float) -> float:
    """|a - b| / max(a, b) for numbers that are not negative; 0 where both are 0."""
    return abs(a - b) / max(a, b) if a != b else 0.0


@cache
def _is_seen(cls: type[AbstractLayer]) -> bool:
    return cls.channels not in _UNSEEN and cls not in {LAYERS[kind] for kind in _ENDS}


def skips(architecture: Architecture) -> tuple[Skip, ...]:
    """The skips, sorted: every input of a merge but its deepest, back to where it forks off.

    Of equally deep inputs the one that forks off last is no skip, whatever the nodes' numbers.
    """
    if all([len(node.inputs) < 2 for node in architecture.nodes]):
        return ()
    depths: dict[int, int] = {}
    forks: dict[int, int] = {}  # depth behind which the chain that ends in a node parts from others
    found: list[Skip] = []
    readers = Counter([source for node in architecture.nodes for source in {*node.inputs}])
    for node in architecture.nodes:
        inputs = node.inputs
        if len(inputs) == 1:
            depth = depths[node.id] = depths[inputs[0]] + _is_seen(type(node.layer))
            forks[node.id] = forks[inputs[0]] if readers[node.id] == 1 else depth
            continue
        before = max([depths[source] for source in inputs], default=0)
        depth = depths[node.id] = forks[node.id] = before + _is_seen(type(node.layer))
        if inputs:
            kind = LAYERS.kind_of(node.layer)
            starts = sorted([(depths[source], forks[source]) for source in inputs])
            found.extend((kind, start, depth - start) for _, start in starts[:-1])
    return tuple(sorted(found))


def _distinct(encoded: Sequence[Encoded]) -> tuple[list[Encoded], list[int]]:
    """One of each kind of skips, and which of them stands for each architecture."""
    places: dict[tuple[Skip, ...], int] = {}
    found: list[Encoded] = []
    place_of = []
    for one in encoded:
        place = places.setdefault(one.skips, len(found))
        if place == len(found):
            found.append(one)
        place_of.append(place)
    return found, place_of


def _flat(encoded: Sequence[Encoded]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All skips below each other, and where each architecture's end."""
    spans = [np.zeros((0, 3), np.int64), *(one.spans for one in encoded)]
    ends = np.cumsum([len(one.spans) for one in encoded], dtype=np.int64)
    return np.concatenate(spans), ends


def _joined(encoded: Sequence[Encoded]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All tokens in a row, and where each architecture's end."""
    ends = np.cumsum([len(one.tokens) for one in encoded], dtype=np.int64)
    if not len(ends):
        return np.zeros(0, np.int64), ends
    return np.concatenate([one.tokens for one in encoded]), ends


@njit(cache=True, nogil=True)
def _layer_distances(
    costs: Floats,  # shape: (V, V), of substitution between tokens
    first: NDArray[np.int64],
    first_ends: NDArray[np.int64],  # shape: (n,)
    second: NDArray[np.int64],
    second_ends: NDArray[np.int64],  # shape: (m,)
) -> Floats:  # shape: (n, m)
    """The recurrence above for every pair; neighbours in `first` share the rows of A they can."""
    result = np.empty((len(first_ends), len(second_ends)))
    longest = start = 0
    for end in first_ends:
        longest, start = max(longest, end - start), end
    rows = np.empty((longest + 1, len(second) + len(second_ends)))  # A of all b, side by side
    for q in range(len(second_ends)):
        begin = second_ends[q - 1] if q else 0
        rows[0, begin + q : second_ends[q] + q + 1] = np.arange(second_ends[q] - begin + 1)
    previous = start = 0
    for p in range(len(first_ends)):
        length, shared = first_ends[p] - start, 0
        while shared < min(start - previous, length):
            if first[previous + shared] != first[start + shared]:
                break
            shared += 1
        for i in range(shared, length):
            _next_row(rows[i], rows[i + 1], costs[first[start + i]], second, second_ends)
        for q in range(len(second_ends)):
            result[p, q] = rows[length, second_ends[q] + q]
        previous, start = start, first_ends[p]
    return result


@njit(cache=True, nogil=True)
def _next_row(
    above: Floats,  # shape: (second + m,), A[i - 1] of all b
    row: Floats,  # A[i] of all b, to be filled
    cost: Floats,  # of a_i in place of each token
    second: NDArray[np.int64],
    second_ends: NDArray[np.int64],
) -> None:
    begin = 0
    for q in range(len(second_ends)):
        left = row[begin + q] = above[begin + q] + 1.0
        for j in range(begin, second_ends[q]):
            best = above[j + q] + cost[second[j]]
            if above[j + q + 1] + 1.0 < best:
                best = above[j + q + 1] + 1.0
            if left + 1.0 < best:
                best = left + 1.0
            left = row[j + q + 1] = best
        begin = second_ends[q]


@njit(cache=True, nogil=True)
def _skip_distances(
    first: NDArray[np.int64],  # shape: (skips, 3)
    first_ends: NDArray[np.int64],  # shape: (n,)
    second: NDArray[np.int64],
    second_ends: NDArray[np.int64],  # shape: (m,)
) -> Floats:  # shape: (n, m)
    """The cheapest assignment for every pair; matching as many as possible is best, as d <= 1."""
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
            if _come_first(first[start:end], second[begin:stop]):
                matched = _assigned(block)
            else:
                matched = _assigned(block.T)
            result[p, q] = matched + abs((end - start) - (stop - begin))
            begin = stop
        start = end
    return result


@njit(cache=True, nogil=True)
def _come_first(s: NDArray[np.int64], t: NDArray[np.int64]) -> bool:
    """Whether s are the rows: one order for both ways round, so that distances are symmetric."""
    if len(s) != len(t):
        return len(s) < len(t)
    for i in range(len(s)):
        for k in range(3):
            if s[i, k] != t[i, k]:
                return bool(s[i, k] < t[i, k])
    return True


@njit(cache=True, nogil=True)
def _skip_cost(s: NDArray[np.int64], t: NDArray[np.int64]) -> float:
    if s[0] != t[0]:
        return 1.0
    total = max(s[1], t[1]) + max(s[2], t[2])
    return float((abs(s[1] - t[1]) + abs(s[2] - t[2])) / total) if total else 0.0


@njit(cache=True, nogil=True)
def _assigned(costs: Floats) -> float:
    """The least sum that gives each row a column of its own: (n, m), n <= m.

    The Hungarian method (Kuhn 1955) with potentials u of rows and v of columns: rows join one by
    one, each along the shortest path of reduced costs to a column that is free.
    """
    n, m = costs.shape
    u, v = np.zeros(n), np.zeros(m)
    row_of = np.full(m, -1)  # of each column; -1: free
    before = np.empty(m, np.int64)  # column before each on its shortest path; -1: the new row
    for new in range(n):
        lengths = np.full(m, np.inf)
        is_final = np.zeros(m, np.bool_)
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
