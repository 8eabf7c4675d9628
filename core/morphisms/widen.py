"""Widen: add channels to one width variable, wherever it occurs.

Chen, Goodfellow & Shlens 2016, arXiv:1511.05641, section 2.2. `schemes` makes the weights of the
new channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, TransferRequest
from core.morphisms.schemes import is_dropped, widen_with_copies, widen_with_zeros
from core.morphisms.widths import free_widths, in_words, producers, resize, width_at
from core.protocol.contracts.bounds import Bounds

GROWTHS = (1.5, 2.0)  # new width over old width


@MORPHISMS.register("widen")
@dataclass(frozen=True, slots=True)
class Widen(AbstractMorphism):
    """Add `extra` channels to one segment of the output of a convolution or dense layer."""

    node_id: int
    extra: int
    segment: int = 0

    def apply(self, architecture: Architecture) -> Architecture:
        return resize(architecture, self._segment(architecture).variable, self.extra)

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        segment = self._segment(architecture)
        if is_dropped(architecture, segment):
            return widen_with_copies(architecture, weights, segment, self.extra, request.rng)
        return widen_with_zeros(
            architecture, weights, self.apply(architecture), segment, self.extra, request.rng
        )

    def describe(self, architecture: Architecture) -> str:
        return in_words("widen", architecture, self.node_id, self.apply(architecture))

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node, index, segment in free_widths(architecture):
            room = _room(architecture, segment.variable, bounds.width)
            yield from (
                cls(node.id, extra, index) for extra in _extras(segment.width) if extra <= room
            )

    def _segment(self, architecture: Architecture) -> Segment:
        """The segment that grows; raises IllegalMorphism if it must not."""
        if self.extra < 1:
            raise IllegalMorphism(f"extra is {self.extra}; expected at least 1")
        return width_at(architecture, self.node_id, self.segment)


def _extras(width: int) -> list[int]:
    """The numbers of channels worth adding; wide layers stay multiples of four."""
    step = 4 if width >= 8 else 1
    return sorted({max(ceil(width * growth / step) * step - width, 1) for growth in GROWTHS})


def _room(architecture: Architecture, variable: int, limit: int) -> int:
    """The channels that the variable can gain before a layer that makes it exceeds the limit."""
    return min(
        (limit - architecture.shapes[node.id][0]) // count
        for node, count in producers(architecture, variable)
    )
