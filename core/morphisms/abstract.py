"""What every morphism is: a change of an architecture that knows how to carry weights over."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import AbstractLayer, Array, Scale, Shape, Zero
from core.protocol.contracts import Bounds
from core.registry import Registry

DType = np.dtype[np.floating]


class AbstractMorphism(ABC):
    """A change of one architecture; its fields are integers and strings that name the place.

    One that preserves the function gives a network that computes, in evaluation, what the old
    one did, whatever its weights (Wei et al. 2016, arXiv:1603.01670).
    """

    __slots__ = ()

    preserves_function: ClassVar[bool] = True
    draws: ClassVar[float] = 1.0  # how often a random one is of this kind, beside the others

    @abstractmethod
    def apply(self, architecture: Architecture) -> Architecture:
        """The changed architecture; raises IllegalMorphism where the change does not apply."""

    @abstractmethod
    def transfer(
        self,
        architecture: Architecture,
        weights: Weights,
        rng: np.random.Generator,
        probe: Array | None = None,
    ) -> Weights:
        """The weights of the changed architecture, made of those of the old one.

        `probe` is some normalised training examples, (N, *input_shape); only what does not keep
        the function looks at them, to lose less of it.
        """

    @abstractmethod
    def describe(self, architecture: Architecture) -> str:
        """The change in words."""

    @classmethod
    @abstractmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        """The worthwhile changes of this kind, each legal; a few may exceed the bounds."""


MORPHISMS: Registry[AbstractMorphism] = Registry("morphism")


def layer_at(architecture: Architecture, node_id: int) -> AbstractLayer:
    """The layer at a node where something may change; raises IllegalMorphism elsewhere.

    Nothing changes at the output nor at the logits that it reads.
    """
    known = {node.id for node in architecture.nodes[:-1]} - {architecture.logits}
    if node_id not in known:
        raise IllegalMorphism(
            f"node {node_id!r} cannot be changed; expected one of {sorted(known)}"
        )
    return architecture.node(node_id).layer


def shape_at(architecture: Architecture, node_id: int) -> Shape:
    """The shape of a node where something may change; raises IllegalMorphism elsewhere."""
    layer_at(architecture, node_id)
    return architecture.shapes[node_id]


def name_of(architecture: Architecture, node_id: int) -> str:
    """A node in words, such as "convolution 3"."""
    layer = architecture.node(node_id).layer
    return layer.title if layer.inputs == 0 else f"{layer.title} {node_id}"


def steering(architecture: Architecture) -> frozenset[int]:
    """The nodes that make nothing but the factors of scalings: few changes are worth trying there.

    Those of a squeeze-and-excitation block, from its pool to its gate.
    """
    found: set[int] = set()
    if any([type(node.layer) is Scale for node in architecture.nodes]):  # cheap: asked often
        for node in reversed(architecture.nodes[:-1]):
            readers = [architecture.node(reader) for reader in architecture.readers(node.id)]
            if all([one.id in found or _is_factor(node.id, one) for one in readers]):
                found.add(node.id)
    return frozenset(found)


def unpromising(architecture: Architecture) -> frozenset[int]:
    """The nodes behind which no block is worth trying: the logits, factors and zeros."""
    zeros = [node.id for node in architecture.nodes if isinstance(node.layer, Zero)]
    return architecture.of(steering).union([architecture.logits], zeros)


def _is_factor(node_id: int, reader: Node) -> bool:
    return isinstance(reader.layer, Scale) and node_id != reader.inputs[0]


def dtype_of(weights: Weights) -> DType:
    """The number format of weights; float32 where there are none."""
    arrays = (array for parameters in weights.values() for array in parameters.values())
    first = next(arrays, None)
    return np.dtype(np.float32) if first is None else first.dtype
