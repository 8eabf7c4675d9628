"""The edit distance between architectures: a layer part and a skip part.

Notation
    a, b   layers of two architectures in topological order, without input, output and merges
    c      cost of substituting one layer by another, in [0, 1]
    x, y   an attribute of both layers
    s, t   skips of the two architectures
    u, δ   depth at which a skip starts, and the number of layers that it spans

The layer part is the weighted Levenshtein distance (Jin, Song & Hu 2019, arXiv:1806.10282, eq. 7,
with min where the paper prints max), computed in `levenshtein`: deleting or inserting a layer costs
1, substituting it costs c. c is 1 between kinds, else the mean of |x - y| / max(x, y) over the
layer's attributes. An attribute that was added to a kind after its release adds to this mean, up
to a total of 1. The term of one that has a number for each axis or end, such as pads, is the mean
of the terms of its numbers.

The skip part is the cost of the cheapest assignment (`assignment`), with

    d(s, t) = (|u_s - u_t| + |δ_s - δ_t|) / (max(u_s, u_t) + max(δ_s, δ_t)),  1 between kinds,

and 1 for each unassigned skip. Both parts are metrics: of layer sequences, and of multisets of
skips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.layers import LAYERS, AbstractLayer, AbstractPool, Channels, field_names
from core.similarity import assignment, levenshtein
from core.similarity.encoding import EncodedGraphs, NodeEncoder
from core.similarity.levenshtein import Lanes
from core.similarity.skips import spans

Floats = NDArray[np.float64]
Skip = tuple[str, int, int]  # (kind of the merge, u, δ)

_MERGES = frozenset({Channels.UNIFIED, Channels.JOINED})  # counted as skips, not as layers
_ENDS = frozenset({"input", "output"})


@dataclass(frozen=True, slots=True)
class Encoded:
    """An architecture as the distance sees it, with tokens of the encoder that made it."""

    tokens: NDArray[np.int64]  # shape: (layers,)
    spans: NDArray[np.int64]  # (kind as a number, u, δ), sorted; shape: (skips, 3)


@dataclass(frozen=True, slots=True)
class Spans:
    """The distinct lists of skips of some architectures."""

    flat: NDArray[np.int64]  # shape: (skips, 3)
    ends: NDArray[np.int64]  # where each list ends in `flat`; shape: (distinct,)
    indices: NDArray[np.intp]  # of each architecture's list; shape: (n,)


class Encoder:
    """Encodes architectures with a token for each distinct layer, and knows the costs of tokens."""

    def __init__(self) -> None:
        self.coder = NodeEncoder()
        self._tokens: dict[AbstractLayer, int] = {}
        self._token_of = np.zeros(0, np.int64)  # of each code; -1 for a layer that is left out
        self._merge_of = np.zeros(0, np.int64)  # the kind of each code as a number
        self._kinds: dict[type[AbstractLayer], _Kind] = {}
        self._costs: Floats = np.ones((64, 64))  # shape: (capacity, capacity)

    def __len__(self) -> int:
        """The number of distinct layers encoded so far."""
        return len(self._tokens)

    def encode(self, architectures: Sequence[Architecture]) -> list[Encoded]:
        """The architectures with this encoder's tokens."""
        return self.encode_graphs(self.coder.encode(architectures))

    def encode_graphs(self, graphs: EncodedGraphs) -> list[Encoded]:
        """The same for graphs that `self.coder` encoded."""
        self._learn_codes()
        tokens = self._token_of[graphs.codes]
        is_seen = tokens >= 0
        limits = [0, *np.cumsum(is_seen)[graphs.ends - 1].tolist()]
        tokens = tokens[is_seen]
        skipped = spans(graphs, is_seen, self._merge_of[graphs.codes])
        return [Encoded(tokens[limits[g] : limits[g + 1]], skipped[g]) for g in range(len(skipped))]

    def layer_distances(self, one: Sequence[Encoded], other: Sequence[Encoded] | Lanes) -> Floats:
        """The layer part of the distance of all pairs, in edits: (n), (m) -> (n, m)"""
        return levenshtein.distances(self._costs, [x.tokens for x in one], lanes(other))

    def child_layer_distances(
        self, parent: Encoded, children: Sequence[Encoded], other: Sequence[Encoded] | Lanes
    ) -> Floats:
        """The same as `layer_distances` for children, faster the less they differ from `parent`."""
        tokens = [child.tokens for child in children]
        return levenshtein.child_distances(self._costs, parent.tokens, tokens, lanes(other))

    def skip_distances(
        self, one: Sequence[Encoded] | Spans, other: Sequence[Encoded] | Spans
    ) -> Floats:
        """The skip part of the distance of all pairs, in edits: (n), (m) -> (n, m)"""
        rows, columns = distinct_spans(one), distinct_spans(other)
        distances = assignment.distances(rows.flat, rows.ends, columns.flat, columns.ends)
        return np.asarray(distances[rows.indices[:, None], columns.indices])

    def _learn_codes(self) -> None:
        """Add the tokens and kinds of the new codes."""
        if new := self.coder.layers[len(self._token_of) :]:
            tokens = [self._token(layer) if _is_seen(type(layer)) else -1 for layer in new]
            merges = [_merge_number(LAYERS.kind_of(layer)) for layer in new]
            self._token_of = np.append(self._token_of, tokens)
            self._merge_of = np.append(self._merge_of, merges)

    def _token(self, layer: AbstractLayer) -> int:
        if layer not in self._tokens:
            self._tokens[layer] = len(self._tokens)
            self._learn(layer, self._tokens[layer])
        return self._tokens[layer]

    def _learn(self, layer: AbstractLayer, token: int) -> None:
        """Add the costs between a new layer and the known ones of its kind."""
        if token == len(self._costs):
            self._costs = np.pad(self._costs, (0, token), constant_values=1.0)
        kind = self._kinds.setdefault(type(layer), _Kind([], []))
        kind.tokens.append(token)
        kind.fields.append(_fields(layer))
        costs = levenshtein.round_up(_costs(type(layer), kind.fields[-1], kind.fields))
        self._costs[token, kind.tokens] = self._costs[kind.tokens, token] = costs


@dataclass(frozen=True, slots=True)
class _Kind:
    """The known layers of one kind."""

    tokens: list[int]
    fields: list[tuple[float, ...]]  # of each layer


def lanes(encoded: Sequence[Encoded] | Lanes) -> Lanes:
    """The sequences in the layout of `levenshtein`, to be prepared once and used often."""
    if isinstance(encoded, Lanes):
        return encoded
    return levenshtein.to_lanes([one.tokens for one in encoded])


def distance(one: Architecture, other: Architecture, skip_weight: float = 1.0) -> float:
    """The distance of two architectures, in edits: layer part + `skip_weight` × skip part."""
    encoder = Encoder()
    a, b = encoder.encode([one]), encoder.encode([other])
    layers, skipped = encoder.layer_distances(a, b), encoder.skip_distances(a, b)
    return float(layers[0, 0] + skip_weight * skipped[0, 0])


def _fields(layer: AbstractLayer) -> tuple[float, ...]:
    """The attributes of a layer as non-negative numbers.

    Pads that are missing, as in most layers, are zeros; others have no zeros.
    """
    numbers: list[float] = []
    for name, length in _lengths(type(layer)).items():
        value = getattr(layer, name)
        if not isinstance(value, tuple):
            numbers += [float(value)] * length
        elif name == "pads":
            numbers += [1.0 + one for one in value] or [0.0] * length
        else:
            numbers += map(float, value)
    return tuple(numbers)


@cache
def _lengths(cls: type[AbstractLayer]) -> dict[str, int]:
    """How many numbers each attribute is, in order.

    Pads are one for each end of each axis, those of the windows of a pool one for each axis.
    """
    axes = getattr(cls, "spatial_axes", 0)
    lengths = {"pads": 2 * axes}
    if issubclass(cls, AbstractPool):
        lengths |= {"size": axes, "stride": axes, "dilation": axes}
    return {name: lengths.get(name, 1) for name in field_names(cls)}


def _costs(
    cls: type[AbstractLayer], one: Sequence[float], others: Sequence[Sequence[float]]
) -> Floats:
    """The costs c between a layer and k others of its kind: (f,), (k, f) -> (k,)

    The mean of |x - y| / max(x, y), or 0 if both are 0, over the fields that are not optional. If
    there are r of them, each optional field adds its own term times 1 / (r + 1): at the defaults,
    layers are as far apart as before the field was added. The sum of metrics is a metric, and so
    is its minimum with 1.
    """
    a, b = np.array(one), np.array(others)
    largest = np.maximum(a, b)
    parts = np.abs(a - b) / np.where(largest > 0, largest, 1.0)
    lengths = _lengths(cls)
    shares = np.array([1 / n for n in lengths.values() for _ in range(n)])
    starts = np.cumsum([0, *lengths.values()], dtype=np.intp)[:-1]
    terms = np.add.reduceat(parts * shares, starts, axis=1)  # one for each attribute
    is_optional = np.array([name in cls.optional for name in lengths], bool)
    count = int((~is_optional).sum())
    required = terms[:, ~is_optional].mean(axis=1) if count else np.zeros(len(b))
    more = terms[:, is_optional].sum(axis=1) / (count + 1)
    return np.asarray(np.minimum(required + more, 1.0))


@cache
def _merge_number(kind: str) -> int:
    """The number of a kind, the same in every process."""
    return list(LAYERS).index(kind)


@cache
def _is_seen(cls: type[AbstractLayer]) -> bool:
    return cls.channels not in _MERGES and cls not in {LAYERS[kind] for kind in _ENDS}


def skips(architecture: Architecture) -> tuple[Skip, ...]:
    """The skips of an architecture by `core.similarity.skips`, sorted."""
    (encoded,) = Encoder().encode([architecture])
    return tuple(sorted((list(LAYERS)[kind], u, d) for kind, u, d in encoded.spans.tolist()))


def distinct_spans(encoded: Sequence[Encoded] | Spans) -> Spans:
    """The skips in the layout of `assignment`, to be prepared once and used often."""
    if isinstance(encoded, Spans):
        return encoded
    found: dict[bytes, int] = {}
    flat, indices = [np.zeros((0, 3), np.int64)], []
    for one in encoded:
        index = found.setdefault(one.spans.tobytes(), len(found))
        if index == len(flat) - 1:
            flat.append(one.spans)
        indices.append(index)
    ends = np.cumsum([len(spans) for spans in flat[1:]], dtype=np.int64)
    return Spans(np.concatenate(flat), ends, np.array(indices, dtype=np.intp))
