"""Hyperbolic tangent."""

import torch
from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("tanh")
class TanhModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """Values between minus one and one."""
        return torch.tanh(x)
