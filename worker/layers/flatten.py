"""An image or a signal as a vector."""

from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("flatten")
class FlattenModule(PassingModule):
    """Channel by channel, whatever the memory format."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C·H·W), (N, C, L) -> (N, C·L)"""
        return x.flatten(1)
