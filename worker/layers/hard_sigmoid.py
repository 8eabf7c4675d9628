"""Piecewise linear sigmoid."""

from torch import Tensor
from torch.nn import functional

from worker.layers.module import MODULES, PassingModule


@MODULES.register("hard_sigmoid")
class HardSigmoidModule(PassingModule):
    """torch's function, not in place: the input may have other readers."""

    def forward(self, x: Tensor) -> Tensor:
        """Values from zero to one."""
        return functional.hardsigmoid(x)
