"""The mean of each channel."""

from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("global_avg_pool2d")
class GlobalAvgPool2dModule(PassingModule):
    """An image becomes a vector."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C)"""
        return x.mean(dim=(2, 3))
