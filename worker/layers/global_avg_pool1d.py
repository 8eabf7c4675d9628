"""The mean of each channel."""

from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("global_avg_pool1d")
class GlobalAvgPool1dModule(PassingModule):
    """A signal becomes a vector."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L) -> (N, C)"""
        return x.mean(dim=2)
