"""Insert a squeeze-and-excitation block with the initial factor 1 for every channel.

Hu, Shen & Sun 2018, arXiv:1709.01507, with twice the sigmoid. The last layer starts at zero, so
that the block changes nothing at first, neither in evaluation nor in training mode.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import (
    AbstractActivation,
    Add,
    Dense,
    Gate,
    Input,
    ReLU,
    Scale,
    family_of,
)
from core.morphisms.abstract import (
    MORPHISMS,
    AbstractMorphism,
    TransferRequest,
    dtype_of,
    name_of,
    shape_at,
)
from core.morphisms.insertion import in_a_row, zeros
from core.morphisms.moments import new_parameters
from core.protocol.contracts.bounds import Bounds

REDUCTION = 4  # channels per hidden unit
MIN_UNITS = 4  # hidden


@MORPHISMS.register("squeeze_excite")
@dataclass(frozen=True, slots=True)
class SqueezeExcite(AbstractMorphism):
    """Scale the channels of a node by factors computed from the means of all its channels."""

    node_id: int
    units: int  # of the hidden layer

    def apply(self, architecture: Architecture) -> Architecture:
        return architecture.with_inserted(self.node_id, self._new_nodes(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        _, squeeze, _, excite, *_ = self._new_nodes(architecture)
        child, dtype = self.apply(architecture), dtype_of(weights)
        hidden = new_parameters(child, weights, squeeze, request.rng, dtype)
        return weights | {squeeze.id: hidden, excite.id: zeros(child, excite, dtype)}

    def describe(self, architecture: Architecture) -> str:
        name = name_of(architecture, self.node_id)
        return f"insert squeeze-and-excitation by {self.units} units behind {name}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes[:-1]:
            shape = architecture.shapes[node.id]
            if len(shape) > 1 and shape[0] > 1 and _can_be_scaled(architecture, node):
                yield cls(node.id, max(MIN_UNITS, shape[0] // REDUCTION))

    def _new_nodes(self, architecture: Architecture) -> list[Node]:
        shape = shape_at(architecture, self.node_id)
        if len(shape) == 1:
            raise IllegalMorphism(
                f"squeeze-and-excitation does not fit values of shape {shape}; "
                "expected an image (channels, height, width) or a signal (channels, length)"
            )
        if self.units < 1:
            raise IllegalMorphism(f"units is {self.units}; expected at least 1")
        branch = (
            family_of(shape).global_avg_pool(),
            Dense(self.units),
            ReLU(),
            Dense(shape[0]),
            Gate(),
        )
        nodes = in_a_row(self.node_id, architecture.next_id, branch)
        return [*nodes, Node(nodes[-1].id + 1, Scale(), (self.node_id, nodes[-1].id))]


def _can_be_scaled(architecture: Architecture, node: Node) -> bool:
    """Whether the node is an activation or a branch of a sum, and no `Scale` reads it yet."""
    readers = [architecture.node(reader).layer for reader in architecture.readers(node.id)]
    if isinstance(node.layer, Input) or any(isinstance(layer, Scale) for layer in readers):
        return False
    is_branch = bool(node.layer.axes) and any(isinstance(layer, Add) for layer in readers)
    return isinstance(node.layer, AbstractActivation) or is_branch
