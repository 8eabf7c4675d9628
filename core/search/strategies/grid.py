"""A grid of depth and width, the baseline "GRID" of Jin, Song & Hu 2019 (arXiv:1806.10282, sec. 5).

Every network is the first one with some more blocks and all its widths multiplied, trained from
random weights; smaller ones come first. Where the grid is used up, random morphs follow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.layers import Channels
from core.morphisms.deepen import Deepen
from core.protocol.contracts.bounds import Bounds
from core.search.history import Suggestion, SuggestRequest
from core.search.strategies.abstract import (
    STRATEGIES,
    AbstractStrategy,
    random_morphs,
    without_parent,
)

DEPTHS = range(7)  # blocks inserted
WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)  # of the first network's
NARROWEST = 4  # channels
_BLOCKS = ("conv3", "dense")


@STRATEGIES.register("grid")
@dataclass(frozen=True, slots=True)
class Grid(AbstractStrategy):
    """Depths and widths in turn, from small to large."""

    inherits: ClassVar[bool] = False

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        trials = sorted(request.trials, key=lambda trial: trial.number)
        known = set(request.fingerprints)
        found: list[Suggestion] = []
        for architecture in grid(trials[0].architecture) if trials else ():
            if len(found) == request.count:
                break
            if architecture.fingerprint not in known and fits(architecture, request.bounds):
                known.add(architecture.fingerprint)
                found.append(Suggestion(architecture=architecture))
        return found + [without_parent(one) for one in random_morphs(request, trials, found)]


def grid(first: Architecture) -> Iterator[Architecture]:
    """Every depth with every width, in the order of the sum of both indices."""
    pairs = product(range(len(DEPTHS)), range(len(WIDTHS)))
    for depth, width in sorted(pairs, key=lambda pair: (sum(pair), pair)):
        yield _scaled(_deepened(first, DEPTHS[depth]), WIDTHS[width])


def _deepened(architecture: Architecture, blocks: int) -> Architecture:
    """The architecture with more blocks: one behind each layer in turn, from the input on."""
    ids = {node.id for node in architecture.nodes}
    insertions = [
        morphism
        for morphism in Deepen.candidates(architecture, Bounds(layers=500, width=8192))
        if morphism.block in _BLOCKS and morphism.node_id in ids
    ]
    for number in range(blocks if insertions else 0):
        architecture = insertions[number % len(insertions)].apply(architecture)
    return architecture


def _scaled(architecture: Architecture, factor: float) -> Architecture:
    """The architecture with free widths multiplied; at least `NARROWEST` unless it was less."""
    widths = {}
    for node in architecture.nodes:
        if node.layer.channels is Channels.OWN:
            width = 0
            for segment in architecture.segments[node.id]:
                least = min(segment.width, NARROWEST)
                scaled = max(least, round(segment.width * factor))
                width += segment.width if segment.frozen else scaled
            widths[node.id] = node.layer.with_width(width)
    return architecture.with_layers(widths)
