"""An image or a signal as a vector."""

from torch import Tensor

from worker.layers.twin import TWINS, Passing


@TWINS.register("flatten")
class FlattenTwin(Passing):
    """Channel by channel, whatever the memory format."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C·H·W), (N, C, L) -> (N, C·L)"""
        return x.flatten(1)
