"""What the torch module of every layer is: a module that computes the same function."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from torch import Tensor, nn

from core.layers import AbstractLayer, Shape
from core.registry import Registry

L = TypeVar("L", bound=AbstractLayer)


class AbstractModule(nn.Module, Generic[L]):
    """A module whose parameters and buffers have the names that the layer gives them."""

    @classmethod
    @abstractmethod
    def of(cls, layer: L, inputs: Sequence[Shape]) -> Self:
        """The module of a layer that reads tensors of these shapes (without the batch)."""


class Passing(AbstractModule[AbstractLayer]):
    """The module of a layer that changes nothing."""

    @classmethod
    def of(cls, layer: AbstractLayer, inputs: Sequence[Shape]) -> Self:
        return cls()

    def forward(self, x: Tensor) -> Tensor:
        """The input itself."""
        return x


MODULES: Registry[AbstractModule[AbstractLayer]] = Registry("layer's torch module")
