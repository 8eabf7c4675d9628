"""What the torch twin of every layer is: a module that computes the same function."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from torch import Tensor, nn

from core.layers import AbstractLayer, Shape
from core.registry import Registry

L = TypeVar("L", bound=AbstractLayer)


class AbstractTwin(nn.Module, Generic[L]):
    """A module whose parameters and buffers have the names that the layer gives them."""

    @classmethod
    @abstractmethod
    def of(cls, layer: L, inputs: Sequence[Shape]) -> Self:
        """The twin of a layer that reads tensors of these shapes (without the batch)."""


class Passing(AbstractTwin[AbstractLayer]):
    """The twin of a layer that changes nothing."""

    @classmethod
    def of(cls, layer: AbstractLayer, inputs: Sequence[Shape]) -> Self:
        return cls()

    def forward(self, x: Tensor) -> Tensor:
        """The input itself."""
        return x


TWINS: Registry[AbstractTwin[AbstractLayer]] = Registry("layer's torch twin")
