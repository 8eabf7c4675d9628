"""The interface of all morphisms: changes of an architecture that also transfer its weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import AbstractLayer, Array, Scale, Shape, Zero
from core.protocol.contracts.bounds import Bounds
from core.registry import Registry

DType = np.dtype[np.floating]


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """What the weights of a changed architecture are made from."""

    architecture: Architecture  # before the change
    weights: Weights  # of it
    rng: np.random.Generator  # for the weights of new layers
    #: Normalised training examples, (N, *input_shape). Only morphisms that do not preserve the
    #: function use them, to change it less.
    probe: Array | None = None


class AbstractMorphism(ABC):
    """A change of one architecture; its fields are integers and strings that say what changes.

    If it preserves the function, the new network computes the same as the old one in evaluation
    mode, whatever its weights (Wei et al. 2016, arXiv:1603.01670).
    """

    __slots__ = ()

    preserves_function: ClassVar[bool] = True
    draws: ClassVar[float] = 1.0  # weight of the kind in random sampling

    @abstractmethod
    def apply(self, architecture: Architecture) -> Architecture:
        """The changed architecture; raises IllegalMorphism if the change does not apply."""

    @abstractmethod
    def transfer(self, request: TransferRequest) -> Weights:
        """The weights of the changed architecture; those of the old one stay as they are.

        Raises IllegalMorphism if the change does not apply.
        """

    @abstractmethod
    def describe(self, architecture: Architecture) -> str:
        """The change in words."""

    @classmethod
    @abstractmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        """The changes of this kind worth trying; all apply, but some may exceed the bounds."""


MORPHISMS: Registry[AbstractMorphism] = Registry("morphism")


def layer_at(architecture: Architecture, node_id: int) -> AbstractLayer:
    """The layer at a node that may be changed; raises IllegalMorphism for any other node.

    The output and the logits that it reads never change.
    """
    allowed = {node.id for node in architecture.nodes[:-1]} - {architecture.logits}
    if node_id not in allowed:
        raise IllegalMorphism(
            f"node {node_id!r} cannot be changed; expected one of {sorted(allowed)}"
        )
    return architecture.node(node_id).layer


def shape_at(architecture: Architecture, node_id: int) -> Shape:
    """The shape of a node that may be changed; raises IllegalMorphism for any other node."""
    layer_at(architecture, node_id)
    return architecture.shapes[node_id]


def name_of(architecture: Architecture, node_id: int) -> str:
    """A node in words, such as "convolution 3"; raises InvalidArchitecture if there is none."""
    layer = architecture.node(node_id).layer
    return layer.title if layer.inputs == 0 else f"{layer.title} {node_id}"


def factor_nodes(architecture: Architecture) -> frozenset[int]:
    """The ids of the nodes that only make the factors of a `Scale`: changes there seldom pay off.

    In a squeeze-and-excitation block these are the nodes from its pool to its gate.
    """
    factors: set[int] = set()
    if any([type(node.layer) is Scale for node in architecture.nodes]):  # cheap, for speed
        for node in reversed(architecture.nodes[:-1]):
            readers = [architecture.node(key) for key in architecture.readers(node.id)]
            if all([reader.id in factors or _is_factor(node.id, reader) for reader in readers]):
                factors.add(node.id)
    return frozenset(factors)


def excluded_nodes(architecture: Architecture) -> frozenset[int]:
    """The ids of the nodes behind which no block is tried: logits, factors, zero operations."""
    zeros = [node.id for node in architecture.nodes if isinstance(node.layer, Zero)]
    return architecture.cached(factor_nodes).union([architecture.logits], zeros)


def _is_factor(node_id: int, reader: Node) -> bool:
    return isinstance(reader.layer, Scale) and node_id != reader.inputs[0]


def dtype_of(weights: Weights) -> DType:
    """The number format of the weights; float32 if there are none."""
    arrays = (array for parameters in weights.values() for array in parameters.values())
    first = next(arrays, None)
    return np.dtype(np.float32) if first is None else first.dtype
