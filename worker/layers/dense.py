"""A linear map."""

from collections.abc import Sequence
from typing import Self

from torch import nn

from core.layers import Dense, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("dense")
class DenseModule(nn.Linear, AbstractModule[Dense]):
    """torch's linear layer."""

    @classmethod
    def of(cls, layer: Dense, inputs: Sequence[Shape]) -> Self:
        return cls(inputs[0][0], layer.units, bias=layer.bias)
