"""Add a skip connection by addition: Elsken, Metzen & Hutter 2017, arXiv:1711.04528."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Add
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, TransferRequest, dtype_of
from core.morphisms.insertion import zeros
from core.morphisms.skips import describe_skip, plan_skip, projection, skip_positions
from core.protocol.contracts.bounds import Bounds


@MORPHISMS.register("add_skip")
@dataclass(frozen=True, slots=True)
class AddSkip(AbstractMorphism):
    """Add the values of `start` to those of `end`, through a projection that starts at zero."""

    start: int
    end: int

    def apply(self, architecture: Architecture) -> Architecture:
        return architecture.with_inserted(self.end, self._new_nodes(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        *_, projected, _ = self._new_nodes(architecture)
        child = self.apply(architecture)
        return weights | {projected.id: zeros(child, projected, dtype_of(weights))}

    def describe(self, architecture: Architecture) -> str:
        return f"add a skip {describe_skip(architecture, self.start, self.end)}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        return (cls(start, end) for start, end in skip_positions(architecture))

    def _new_nodes(self, architecture: Architecture) -> list[Node]:
        skip = plan_skip(architecture, self.start, self.end)
        shape = architecture.shapes[self.end]
        projected = Node(skip.next_id, projection(shape, shape[0]), (skip.source,))
        return [*skip.nodes, projected, Node(skip.next_id + 1, Add(), (self.end, projected.id))]
