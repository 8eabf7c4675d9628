"""Factors to scale by."""

import torch
from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("gate")
class GateModule(PassingModule):
    """Twice the logistic sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        """Factors from 0 to 2."""
        return 2 * torch.sigmoid(x)
