"""Rectified linear units."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("relu")
class ReLUModule(PassingModule):
    """Not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """Negative values become zero."""
        return functional.relu(x)
