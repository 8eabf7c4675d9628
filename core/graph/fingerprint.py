"""A name for a graph of layers that does not depend on how its nodes are numbered.

Colours are refined along the edges as in Weisfeiler & Leman 1968, once forwards and once
backwards, until they stop splitting; in nearly every architecture each node then has a colour of
its own. Where some still share one (parallel copies), each is singled out in turn and the
smallest certificate wins, as in McKay & Piperno 2014, arXiv:1301.1493: so two architectures have
equal fingerprints exactly when they are the same graph, up to the strength of the hash.
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
Sources = list[list[int]]  # what each node reads, by place
_SIZE = 16  # bytes
_PLACES = [place.to_bytes(2, "big") for place in range(1024)]  # of an input among several


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_SIZE).digest()


class Mark(NamedTuple):
    """What a fingerprint sees of a layer."""

    colour: bytes
    commutative: bool  # whether the order of its inputs does not count


def mark(layer: AbstractLayer) -> Mark:
    """The mark of a layer."""
    text = json.dumps(layer_to_json(layer), sort_keys=True)
    return Mark(_digest(text.encode()), layer.commutative)


@dataclass(frozen=True, slots=True)
class _Graph:
    """Who reads whom, by place in topological order."""

    inputs: Sources
    commutative: Sequence[bool]


def fingerprint(marks: Sequence[Mark], inputs: Sources, ahead: Colours) -> str:
    """The fingerprint of layers in topological order, each reading earlier ones by place.

    `ahead` are their `colours`.
    """
    graph = _Graph(inputs, [one.commutative for one in marks])
    return _certificate(graph, _refine(graph, [one.colour for one in marks], ahead)).hex()


def colours(marks: Sequence[Mark], inputs: Sources, begun: Colours) -> Colours:
    """Colours that know all that comes before; those of the first nodes may be known."""
    graph = _Graph(inputs, [one.commutative for one in marks])
    return _forward(graph, [one.colour for one in marks], begun)


def _refine(graph: _Graph, colours: Colours, ahead: Colours | None = None) -> Colours:
    """Colours that tell as many nodes apart as passing messages along edges can."""
    classes = len(set(colours))
    while True:
        colours = _backward(graph, ahead or _forward(graph, colours))
        if len(set(colours)) in (classes, len(colours)):
            return colours
        classes, ahead = len(set(colours)), None


def _forward(graph: _Graph, colours: Colours, begun: Sequence[bytes] = ()) -> Colours:
    """Colours that know all that comes before."""
    known, start = list(begun), len(begun)
    for colour, sources, commutative in zip(
        colours[start:], graph.inputs[start:], graph.commutative[start:], strict=True
    ):
        if len(sources) == 1:  # nearly always
            data = colour + known[sources[0]]
        else:
            before = [known[source] for source in sources]
            if commutative:
                before.sort()
            data = colour + b"".join(before)
        known.append(blake2b(data, digest_size=_SIZE).digest())
    return known


def _backward(graph: _Graph, colours: Colours) -> Colours:
    """Colours that know all that comes after, and at which input of it they stand."""
    known = list(colours)
    after: list[Colours] = [[] for _ in colours]  # what the readers say to each node
    for node in range(len(colours) - 1, -1, -1):
        said = after[node]
        if len(said) > 1:
            said.sort()
        data = colours[node] + b"".join(said)
        known[node] = colour = blake2b(data, digest_size=_SIZE).digest()
        sources = graph.inputs[node]
        if len(sources) == 1:  # nearly always
            after[sources[0]].append(_PLACES[0] + colour)
            continue
        commutative = graph.commutative[node]
        for place, source in enumerate(sources):
            after[source].append(_PLACES[0 if commutative else place] + colour)
    return known


def _certificate(graph: _Graph, colours: Colours) -> bytes:
    """The smallest certificate over all ways to tell equal colours apart.

    Where no two are equal, the colours alone tell the graph: each knows its readers' colours.
    """
    tied = _first_tie(colours)
    if not tied:
        return _digest(b"".join(sorted(colours)))
    best, seen = None, set()
    for node in tied:
        branch = _single_out(graph, colours, node)
        greedy = _greedy(graph, branch)
        if greedy in seen:  # an automorphism: this branch repeats an earlier one
            continue
        seen.add(greedy)
        found = _certificate(graph, branch)
        best = found if best is None else min(best, found)
    assert best is not None
    return best


def _greedy(graph: _Graph, colours: Colours) -> bytes:
    """The certificate of always singling out the first tied node."""
    while tied := _first_tie(colours):
        colours = _single_out(graph, colours, tied[0])
    return _digest(b"".join(sorted(colours)))


def _first_tie(colours: Colours) -> list[int]:
    """The nodes of the smallest colour that several share."""
    if len(set(colours)) == len(colours):
        return []
    shared = min(colour for colour, count in Counter(colours).items() if count > 1)
    return [node for node, colour in enumerate(colours) if colour == shared]


def _single_out(graph: _Graph, colours: Colours, node: int) -> Colours:
    """The refined colours once `node` differs from all others."""
    marked = list(colours)
    marked[node] = _digest(b"first" + marked[node])
    return _refine(graph, marked)
