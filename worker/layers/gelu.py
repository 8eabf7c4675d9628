"""Gaussian error linear unit."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("gelu")
class GELUModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """The value times the normal distribution at it."""
        return functional.gelu(x)
