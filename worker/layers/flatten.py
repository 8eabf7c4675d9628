"""An image as a vector."""

from torch import Tensor

from worker.layers.twin import TWINS, Passing


@TWINS.register("flatten")
class FlattenTwin(Passing):
    """Channel by channel, whatever the memory format."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C·H·W)"""
        return x.flatten(1)
