"""The average of a network's weights over the last share of the steps made so far.

Notation
    w(t)  weights after step t = 1, 2, ...
    a(t)  their average: a(t) = b a(t - 1) + (1 - b) w(t) with b = (1 - 1/t)^(1/s)
    s     the share of the steps that it is over

So w(i) has a weight proportional to about i^(1/s - 1): the power-function average of Karras et al.
2024 (arXiv:2312.02696, eq. 122). It needs no planned number of steps and is valid whenever a
training stops.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from worker.trainer.training.state import State


class WeightAverage:
    """The average of all parameters and of the statistics of batch normalisation."""

    def __init__(self, network: nn.Module, share: float) -> None:
        self.network = network
        self._live: list[Tensor] = [*network.parameters(), *network.buffers()]
        self._mean = [tensor.detach().clone() for tensor in self._live]
        self._exponent = 1 / share
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after one more step to the average."""
        self._steps += 1
        old = (1 - 1 / self._steps) ** self._exponent
        torch._foreach_lerp_(self._mean, self._live, 1 - old)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the network has the average; after it, its own weights again."""
        own = [tensor.detach().clone() for tensor in self._live]
        self.write()
        try:
            yield
        finally:
            self._fill(own)

    def write(self) -> None:
        """Replace the network's weights by the average."""
        self._fill(self._mean)

    def state(self) -> State:
        """What `restore` needs to go on averaging from here."""
        means = {str(index): mean for index, mean in enumerate(self._mean)}
        return {"steps": self._steps, "means": means}

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Go on averaging from a state."""
        self._steps = state["steps"]
        for index, mean in enumerate(self._mean):
            mean.copy_(state["means"][str(index)])

    @torch.no_grad()
    def _fill(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(self._live, values)
