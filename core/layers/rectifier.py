"""The common part of ReLU-like activations: zero for negative values."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.layers.activation import AbstractActivation


@dataclass(frozen=True, slots=True)
class AbstractRectifier(AbstractActivation):
    """An activation whose output is never negative."""

    def nonnegative(self, inputs: Sequence[bool]) -> bool:
        return True
