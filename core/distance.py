"""The edit distance between architectures: a layer part and a skip part.

Notation
    a, b   layers of two architectures in topological order, without input, output and merges
    c      cost of substituting one layer by another, in [0, 1]
    u, δ   depth at which a skip starts, and how many layers deep it spans

Layers: the weighted Levenshtein distance (Jin, Song & Hu 2019, arXiv:1806.10282, eq. 7, with min
where print has max), computed in `core.edits`: 1 for each layer that is left out or put in, and c
for one in place of another. c is 1 between kinds, else the mean of |x - y| / max(x, y) over the
layer's attributes. Skips: the cheapest assignment (`core.assignment`), 1 for each one left over,
with

    d(s, t) = (|u_s - u_t| + |δ_s - δ_t|) / (max(u_s, u_t) + max(δ_s, δ_t)),  1 between kinds.

Both parts are metrics on what they see.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core import assignment, edits
from core.architecture import Architecture
from core.edits import Lanes
from core.layers import LAYERS, AbstractLayer, Channels, field_names

Floats = NDArray[np.float64]
Skip = tuple[str, int, int]  # (kind of the merge, u, δ)

_UNSEEN = frozenset({Channels.UNIFIED, Channels.JOINED})  # merges are seen as skips
_ENDS = frozenset({"input", "output"})
_MOST_KNOWN = 50_000  # layers kept alive so that they are known by their ids


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
        self._kinds: dict[type[AbstractLayer], _Kind] = {}
        self._costs: Floats = np.ones((64, 64))  # more room than there are layers

    def __len__(self) -> int:
        """How many distinct layers it has seen."""
        return len(self._tokens)

    def encode(self, architecture: Architecture) -> Encoded:
        """The architecture in this encoder's numbers; asked again, the same."""
        by, known = architecture.remembered.get("encoded", (None, None))
        if by is not self or not isinstance(known, Encoded):
            known = self._encoded(architecture)
            architecture.remembered["encoded"] = self, known
        return known

    def _encoded(self, architecture: Architecture) -> Encoded:
        seen = [node.layer for node in architecture.nodes if _is_seen(type(node.layer))]
        tokens = np.array([self._token(layer) for layer in seen], dtype=np.int64)
        found = skips(architecture)
        spans = [(_merge_number(kind), u, d) for kind, u, d in found]
        return Encoded(tokens, found, np.array(spans, dtype=np.int64).reshape(-1, 3))

    def layer_distances(self, one: Sequence[Encoded], other: Sequence[Encoded] | Lanes) -> Floats:
        """The layer parts: (n), (m) -> (n, m)"""
        return edits.distances(self._costs, [x.tokens for x in one], lanes(other))

    def child_layer_distances(
        self, parent: Encoded, children: Sequence[Encoded], other: Sequence[Encoded] | Lanes
    ) -> Floats:
        """The very same for relatives, faster the less they differ from `parent`: (n, m)"""
        tokens = [child.tokens for child in children]
        return edits.child_distances(self._costs, parent.tokens, tokens, lanes(other))

    def skip_distances(self, one: Sequence[Encoded], other: Sequence[Encoded]) -> Floats:
        """The skip parts: (n), (m) -> (n, m)"""
        rows, row_of = _distinct(one)
        columns, column_of = _distinct(other)
        distances = assignment.distances(*_flat(rows), *_flat(columns))
        return np.asarray(distances[np.ix_(row_of, column_of)])

    def _token(self, layer: AbstractLayer) -> int:
        known = self._known.get(id(layer))
        if known is not None:
            return known[1]
        token = self._tokens.get(layer)
        if token is None:
            token = self._tokens[layer] = len(self._tokens)
            self._learn(layer, token)
        if len(self._known) == _MOST_KNOWN:
            self._known.clear()
        self._known[id(layer)] = layer, token
        return token

    def _learn(self, layer: AbstractLayer, token: int) -> None:
        """Note what it costs to put a layer that is new in place of those of its kind."""
        if token == len(self._costs):
            self._costs = np.pad(self._costs, (0, token), constant_values=1.0)
        kind = self._kinds.setdefault(type(layer), _Kind([], []))
        kind.tokens.append(token)
        kind.fields.append(_fields(layer))
        costs = edits.rounded_up(_costs(np.array(kind.fields[-1]), np.array(kind.fields)))
        self._costs[token, kind.tokens] = self._costs[kind.tokens, token] = costs


@dataclass(frozen=True, slots=True)
class _Kind:
    """The layers of one kind."""

    tokens: list[int]
    fields: list[tuple[float, ...]]  # of each


def lanes(encoded: Sequence[Encoded] | Lanes) -> Lanes:
    """What is measured from often, made ready once."""
    if isinstance(encoded, Lanes):
        return encoded
    return edits.side_by_side([one.tokens for one in encoded])


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
    return float(_costs(np.array(_fields(one)), np.array([_fields(other)]))[0])


def _fields(layer: AbstractLayer) -> tuple[float, ...]:
    """The attributes of a layer as numbers, none of them negative."""
    return tuple([float(getattr(layer, name)) for name in field_names(type(layer))])


def _costs(one: Floats, others: Floats) -> Floats:
    """The mean of |x - y| / max(x, y), 0 where both are 0, over fields: (f,), (k, f) -> (k,)"""
    if not len(one):
        return np.zeros(len(others))
    differences, largest = np.abs(one - others), np.maximum(one, others)
    return np.asarray((differences / np.where(largest > 0, largest, 1.0)).mean(axis=1))


@cache
def _merge_number(kind: str) -> int:
    """A number for a kind of merge, the same in every process."""
    return list(LAYERS).index(kind)


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
