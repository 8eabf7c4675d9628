"""Scaling channel by channel, or value by value."""

from torch import Tensor

from worker.layers.module import MODULES, PassingModule


@MODULES.register("scale")
class ScaleModule(PassingModule):
    """A tensor and one factor for each channel or value."""

    def forward(self, x: Tensor, factors: Tensor) -> Tensor:  # type: ignore[override]
        """(N, C, ...), (N, C) or (N, C, ...) -> (N, C, ...)"""
        return x * factors.view(*factors.shape, *[1] * (x.dim() - factors.dim()))
