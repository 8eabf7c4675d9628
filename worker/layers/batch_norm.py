"""Batch normalisation of images or vectors."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.layers import BatchNorm, Shape
from core.layers.batch_norm import EPSILON
from worker.layers.module import MODULES, AbstractModule

_MOMENTUM = 0.1  # of the running statistics


@MODULES.register("batch_norm")
class BatchNormModule(AbstractModule[BatchNorm]):
    """One module for any number of spatial axes; it does not count batches."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    @classmethod
    def of(cls, layer: BatchNorm, inputs: Sequence[Shape]) -> Self:
        return cls(inputs[0][0])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C, ...)"""
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            _MOMENTUM,
            EPSILON,
        )
