"""The abstract torch module of a layer: it computes the same function as the layer."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from torch import Tensor, nn

from core.layers import AbstractLayer, Shape
from core.registry import Registry

L = TypeVar("L", bound=AbstractLayer)


class AbstractModule(nn.Module, Generic[L]):
    """A torch module whose parameters and buffers have the names of the layer's weights."""

    @classmethod
    @abstractmethod
    def of(cls, layer: L, inputs: Sequence[Shape]) -> Self:
        """The module of a layer whose inputs have these shapes (without the batch)."""


class PassingModule(AbstractModule[AbstractLayer]):
    """The module of a layer without parameters; its output is its input, unless overridden."""

    @classmethod
    def of(cls, layer: AbstractLayer, inputs: Sequence[Shape]) -> Self:
        return cls()

    def forward(self, x: Tensor) -> Tensor:
        """The input itself."""
        return x


MODULES: Registry[AbstractModule[AbstractLayer]] = Registry("layer's torch module")
