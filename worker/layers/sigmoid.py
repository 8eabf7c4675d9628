"""Logistic sigmoid."""

import torch
from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("sigmoid")
class SigmoidModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """Values between zero and one."""
        return torch.sigmoid(x)
