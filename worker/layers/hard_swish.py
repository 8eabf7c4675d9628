"""Piecewise quadratic approximation of the SiLU."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("hard_swish")
class HardSwishModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """The value times its hard sigmoid."""
        return functional.hardswish(x)
