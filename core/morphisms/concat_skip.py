"""Add a skip connection by concatenation: Elsken, Metzen & Hutter 2017, arXiv:1711.04528."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Concat
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, TransferRequest, dtype_of
from core.morphisms.insertion import zeros
from core.morphisms.skips import describe_skip, plan_skip, projection, skip_positions
from core.protocol.contracts.bounds import Bounds


@MORPHISMS.register("concat_skip")
@dataclass(frozen=True, slots=True)
class ConcatSkip(AbstractMorphism):
    """Concatenate the channels of `end` and `start`, then project to the old width.

    The projection starts as the identity for `end` and as zero for the skip.
    """

    start: int
    end: int

    def apply(self, architecture: Architecture) -> Architecture:
        return architecture.with_inserted(self.end, self._new_nodes(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        projected = self._new_nodes(architecture)[-1]
        parameters = zeros(self.apply(architecture), projected, dtype_of(weights))
        diagonal = range(architecture.shapes[self.end][0])
        parameters["weight"][diagonal, diagonal] = 1
        return weights | {projected.id: parameters}

    def describe(self, architecture: Architecture) -> str:
        return f"concatenate a skip {describe_skip(architecture, self.start, self.end)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        return (cls(start, end) for start, end in skip_positions(architecture))

    def _new_nodes(self, architecture: Architecture) -> list[Node]:
        skip = plan_skip(architecture, self.start, self.end)
        shape = architecture.shapes[self.end]
        joined = Node(skip.next_id, Concat(), (self.end, skip.source))
        projected = Node(skip.next_id + 1, projection(shape, shape[0]), (joined.id,))
        return [*skip.nodes, joined, projected]
