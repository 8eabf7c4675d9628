"""The edit distance between architectures: a layer part and a skip part.

Notation
    a, b   layers of two architectures in topological order, without input, output and merges
    c      cost of substituting one layer by another, in [0, 1]
    u, δ   depth at which a skip starts, and how many layers deep it spans

Layers: the weighted Levenshtein distance (Jin, Song & Hu 2019, arXiv:1806.10282, eq. 7, with min
where print has max), computed in `levenshtein`: 1 for each layer that is left out or put in, and c
for one in place of another. c is 1 between kinds, else the mean of |x - y| / max(x, y) over the
layer's attributes; an attribute that was added to a kind after its release adds to that mean, up
to 1 in all. Skips: the cheapest assignment (`assignment`), 1 for each one left over, with

    d(s, t) = (|u_s - u_t| + |δ_s - δ_t|) / (max(u_s, u_t) + max(δ_s, δ_t)),  1 between kinds.

Both parts are metrics on what they see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.graph.architecture import Architecture
from core.layers import LAYERS, AbstractLayer, Channels, field_names
from core.similarity import assignment, levenshtein
from core.similarity.encoding import EncodedGraphs, NodeEncoder
from core.similarity.levenshtein import Lanes
from core.similarity.skips import spans

Floats = NDArray[np.float64]
Skip = tuple[str, int, int]  # (kind of the merge, u, δ)

_UNSEEN = frozenset({Channels.UNIFIED, Channels.JOINED})  # merges are seen as skips
_ENDS = frozenset({"input", "output"})


@dataclass(frozen=True, slots=True)
class Encoded:
    """An architecture as the distance sees it, in the numbers of the encoder that made it."""

    tokens: NDArray[np.int64]  # shape: (layers,)
    spans: NDArray[np.int64]  # shape: (skips, 3), sorted; the kind as a number


@dataclass(frozen=True, slots=True)
class Spans:
    """The skips of some architectures, those of several with the very same ones once."""

    flat: NDArray[np.int64]  # shape: (skips, 3)
    ends: NDArray[np.int64]  # shape: (distinct,)
    places: NDArray[np.intp]  # of each architecture's among the distinct ones; shape: (n,)


class Encoder:
    """Gives each distinct layer a number, and knows the cost between any two of them."""

    def __init__(self) -> None:
        self.coder = NodeEncoder()
        self._tokens: dict[AbstractLayer, int] = {}
        self._token_of = np.zeros(0, np.int64)  # of each code; -1 where it is not seen
        self._merge_of = np.zeros(0, np.int64)  # of each code, its kind as a number
        self._kinds: dict[type[AbstractLayer], _Kind] = {}
        self._costs: Floats = np.ones((64, 64))  # more room than there are layers

    def __len__(self) -> int:
        """How many distinct layers it has seen."""
        return len(self._tokens)

    def encode(self, architectures: Sequence[Architecture]) -> list[Encoded]:
        """The architectures in this encoder's numbers."""
        return self.encode_graphs(self.coder.encode(architectures))

    def encode_graphs(self, graphs: EncodedGraphs) -> list[Encoded]:
        """The same for what its coder made of architectures."""
        self._learn_codes()
        tokens = self._token_of[graphs.codes]
        is_seen = tokens >= 0
        limits = [0, *np.cumsum(is_seen)[graphs.ends - 1].tolist()]
        tokens = tokens[is_seen]
        skipped = spans(graphs, is_seen, self._merge_of[graphs.codes])
        return [Encoded(tokens[limits[g] : limits[g + 1]], skipped[g]) for g in range(len(skipped))]

    def layer_distances(self, one: Sequence[Encoded], other: Sequence[Encoded] | Lanes) -> Floats:
        """The layer parts: (n), (m) -> (n, m)"""
        return levenshtein.distances(self._costs, [x.tokens for x in one], lanes(other))

    def child_layer_distances(
        self, parent: Encoded, children: Sequence[Encoded], other: Sequence[Encoded] | Lanes
    ) -> Floats:
        """The very same for relatives, faster the less they differ from `parent`: (n, m)"""
        tokens = [child.tokens for child in children]
        return levenshtein.child_distances(self._costs, parent.tokens, tokens, lanes(other))

    def skip_distances(
        self, one: Sequence[Encoded] | Spans, other: Sequence[Encoded] | Spans
    ) -> Floats:
        """The skip parts: (n), (m) -> (n, m)"""
        rows, columns = distinct_spans(one), distinct_spans(other)
        distances = assignment.distances(rows.flat, rows.ends, columns.flat, columns.ends)
        return np.asarray(distances[rows.places[:, None], columns.places])

    def _learn_codes(self) -> None:
        """Note the tokens and merges of the codes that are new."""
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
        """Note what it costs to put a layer that is new in place of those of its kind."""
        if token == len(self._costs):
            self._costs = np.pad(self._costs, (0, token), constant_values=1.0)
        kind = self._kinds.setdefault(type(layer), _Kind([], []))
        kind.tokens.append(token)
        kind.fields.append(_fields(layer))
        costs = levenshtein.rounded_up(_costs(type(layer), kind.fields[-1], kind.fields))
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
    return levenshtein.side_by_side([one.tokens for one in encoded])


def distance(one: Architecture, other: Architecture, skip_weight: float = 1.0) -> float:
    """d = D_layers + λ D_skips of two architectures, in edits."""
    encoder = Encoder()
    a, b = encoder.encode([one]), encoder.encode([other])
    layers, skipped = encoder.layer_distances(a, b), encoder.skip_distances(a, b)
    return float(layers[0, 0] + skip_weight * skipped[0, 0])


def _fields(layer: AbstractLayer) -> tuple[float, ...]:
    """The attributes of a layer as numbers, none of them negative."""
    return tuple([float(getattr(layer, name)) for name in field_names(type(layer))])


def _costs(
    cls: type[AbstractLayer], one: Sequence[float], others: Sequence[Sequence[float]]
) -> Floats:
    """The costs of layers of one kind in place of another of it: (f,), (k, f) -> (k,)

    The mean of |x - y| / max(x, y), 0 where both are 0, over the f fields that are not optional,
    and 1 / (f + 1) of it for each optional one: layers without optional fields are as far apart
    as before these were added. The sum of metrics is a metric, and so is its minimum with 1.
    """
    a, b = np.array(one), np.array(others)
    largest = np.maximum(a, b)
    parts = np.abs(a - b) / np.where(largest > 0, largest, 1.0)
    is_optional = np.array([name in cls.optional for name in field_names(cls)], bool)
    count = int((~is_optional).sum())
    required = parts[:, ~is_optional].mean(axis=1) if count else np.zeros(len(b))
    more = parts[:, is_optional].sum(axis=1) / (count + 1)
    return np.asarray(np.minimum(required + more, 1.0))


@cache
def _merge_number(kind: str) -> int:
    """A number for a kind of merge, the same in every process."""
    return list(LAYERS).index(kind)


@cache
def _is_seen(cls: type[AbstractLayer]) -> bool:
    return cls.channels not in _UNSEEN and cls not in {LAYERS[kind] for kind in _ENDS}


def skips(architecture: Architecture) -> tuple[Skip, ...]:
    """The skips of an architecture as `core.similarity.skips` finds them, sorted."""
    (encoded,) = Encoder().encode([architecture])
    return tuple(sorted((list(LAYERS)[kind], u, d) for kind, u, d in encoded.spans.tolist()))


def distinct_spans(encoded: Sequence[Encoded] | Spans) -> Spans:
    """The skips as the assignment wants them, made ready once for what is measured from often."""
    if isinstance(encoded, Spans):
        return encoded
    found: dict[bytes, int] = {}
    flat, places = [np.zeros((0, 3), np.int64)], []
    for one in encoded:
        place = found.setdefault(one.spans.tobytes(), len(found))
        if place == len(flat) - 1:
            flat.append(one.spans)
        places.append(place)
    ends = np.cumsum([len(spans) for spans in flat[1:]], dtype=np.int64)
    return Spans(np.concatenate(flat), ends, np.array(places, dtype=np.intp))
