"""A fingerprint of a graph of layers that does not depend on its node ids.

Colours are refined along the edges as in Weisfeiler & Leman 1968, once forwards and once
backwards, until the number of distinct colours stops growing. In nearly every architecture each
node then has a colour of its own. If several nodes still share one (parallel copies), each of them
is individualised in turn and the smallest certificate is taken, as in McKay & Piperno 2014,
arXiv:1301.1493. Two architectures therefore have equal fingerprints exactly if they are the same
graph, up to collisions of the hash.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from core.layers import layer_to_json
from core.layers.abstract import AbstractLayer

Colours = list[bytes]
Sources = list[list[int]]  # for each node, the indices of the nodes that it reads
_SIZE = 16  # bytes of a colour
_INPUT_INDICES = [index.to_bytes(2, "big") for index in range(1024)]  # of an input among several


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_SIZE).digest()


class Mark(NamedTuple):
    """A layer as the fingerprint sees it."""

    colour: bytes
    commutative: bool  # the order of the inputs has no meaning


def mark(layer: AbstractLayer) -> Mark:
    """The mark of a layer: a hash of its kind and fields, and whether its inputs commute."""
    text = json.dumps(layer_to_json(layer), sort_keys=True)
    return Mark(_digest(text.encode()), layer.commutative)


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of a graph in topological order."""

    inputs: Sources
    commutative: Sequence[bool]


def fingerprint(marks: Sequence[Mark], inputs: Sources, ahead: Colours) -> str:
    """The fingerprint of layers in topological order; 32 hexadecimal digits.

    `inputs` has the indices of the layers that each layer reads, `ahead` their `colours`.
    """
    graph = _Edges(inputs, [mark.commutative for mark in marks])
    return _certificate(graph, _refine(graph, [mark.colour for mark in marks], ahead)).hex()


def colours(marks: Sequence[Mark], inputs: Sources, prefix: Colours) -> Colours:
    """The forward colour of each layer, which identifies all that the layer depends on.

    `prefix` has those of the first layers, if they are known already.
    """
    graph = _Edges(inputs, [mark.commutative for mark in marks])
    return _forward(graph, [mark.colour for mark in marks], prefix)


def _refine(graph: _Edges, colours: Colours, ahead: Colours | None = None) -> Colours:
    """Colours refined until more message passing would not separate more nodes."""
    classes = len(set(colours))
    while True:
        colours = _backward(graph, ahead or _forward(graph, colours))
        if len(set(colours)) in (classes, len(colours)):
            return colours
        classes, ahead = len(set(colours)), None


def _forward(graph: _Edges, colours: Colours, prefix: Sequence[bytes] = ()) -> Colours:
    """Colours that depend on all ancestors; `prefix` are those of the first nodes."""
    refined, start = list(prefix), len(prefix)
    for colour, sources, commutative in zip(
        colours[start:], graph.inputs[start:], graph.commutative[start:], strict=True
    ):
        if len(sources) == 1:  # nearly always
            data = colour + refined[sources[0]]
        else:
            before = [refined[source] for source in sources]
            if commutative:
                before.sort()
            data = colour + b"".join(before)
        refined.append(blake2b(data, digest_size=_SIZE).digest())
    return refined


def _backward(graph: _Edges, colours: Colours) -> Colours:
    """Colours that also depend on all readers, and on which of their inputs each node is."""
    refined = list(colours)
    after: list[Colours] = [[] for _ in colours]  # messages from the readers of each node
    for node in range(len(colours) - 1, -1, -1):
        messages = after[node]
        if len(messages) > 1:
            messages.sort()
        data = colours[node] + b"".join(messages)
        refined[node] = colour = blake2b(data, digest_size=_SIZE).digest()
        sources = graph.inputs[node]
        if len(sources) == 1:  # nearly always
            after[sources[0]].append(_INPUT_INDICES[0] + colour)
            continue
        commutative = graph.commutative[node]
        for index, source in enumerate(sources):
            after[source].append(_INPUT_INDICES[0 if commutative else index] + colour)
    return refined


def _certificate(graph: _Edges, colours: Colours) -> bytes:
    """The smallest certificate over all ways to separate equal colours.

    If all colours differ, they alone identify the graph: each depends on its readers' colours.
    """
    tied = _first_tie(colours)
    if not tied:
        return _digest(b"".join(sorted(colours)))
    best, seen = None, set()
    for node in tied:
        branch = _individualise(graph, colours, node)
        greedy = _greedy(graph, branch)
        if greedy in seen:  # an automorphism: this branch repeats an earlier one
            continue
        seen.add(greedy)
        certificate = _certificate(graph, branch)
        best = certificate if best is None else min(best, certificate)
    assert best is not None
    return best


def _greedy(graph: _Edges, colours: Colours) -> bytes:
    """The certificate if the first tied node is individualised each time."""
    while tied := _first_tie(colours):
        colours = _individualise(graph, colours, tied[0])
    return _digest(b"".join(sorted(colours)))


def _first_tie(colours: Colours) -> list[int]:
    """The nodes with the smallest colour that several nodes share; empty if all differ."""
    if len(set(colours)) == len(colours):
        return []
    shared = min(colour for colour, count in Counter(colours).items() if count > 1)
    return [node for node, colour in enumerate(colours) if colour == shared]


def _individualise(graph: _Edges, colours: Colours, node: int) -> Colours:
    """The refined colours after `node` has been given a colour of its own."""
    marked = list(colours)
    marked[node] = _digest(b"first" + marked[node])
    return _refine(graph, marked)
