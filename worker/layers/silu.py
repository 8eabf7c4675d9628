"""Sigmoid linear unit."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("silu")
class SiLUModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """The value times its sigmoid."""
        return functional.silu(x)
