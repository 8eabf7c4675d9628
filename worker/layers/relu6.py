"""Rectified linear units with a largest value."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("relu6")
class ReLU6Module(PassingModule):
    """Not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """Negative values become zero, values above six become six."""
        return functional.relu6(x)
