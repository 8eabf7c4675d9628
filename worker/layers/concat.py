"""The channels of tensors, one tensor after the other."""

import torch
from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("concat")
class ConcatModule(PassingModule):
    """Two or more tensors that differ in their channels only."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """(N, C₁, ...), (N, C₂, ...), ... -> (N, C₁ + C₂ + ..., ...)"""
        return torch.cat((x, *others), dim=1)
