"""Dropout."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from core.layers import Dropout, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("dropout")
class DropoutModule(AbstractModule[Dropout]):
    """Draws from a generator of its own: the training's seed decides, not the state of the process.

    The generator is set by `worker.trainer.networks.network.Network.seed`.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    @classmethod
    def of(cls, layer: Dropout, inputs: Sequence[Shape]) -> Self:
        return cls(layer.rate)

    def forward(self, x: Tensor) -> Tensor:
        """In training, sets each value to zero with probability `rate` and scales the others up."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * kept / (1 - self.rate)
