"""Zeros instead of the input."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from core.layers import Shape, Zero
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("zero")
class ZeroModule(AbstractModule[Zero]):
    """Zeros that no gradient passes, whatever the input: zero times infinity is not zero."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    @classmethod
    def of(cls, layer: Zero, inputs: Sequence[Shape]) -> Self:
        return cls(layer.output_shape(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *sides) -> (N, C, *sides')"""
        return x.new_zeros((len(x), *self.shape))
