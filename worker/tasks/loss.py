"""The abstract loss of a task type: its loss and metric in torch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from core.registry import Registry


class AbstractLoss(ABC):
    """The loss of a task type on one batch, and its metric."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The batch's mean loss, a scalar to be minimised."""

    @abstractmethod
    def chance_loss(
        self, targets: NDArray[Any], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        """The mean loss of the best constant prediction; a network that learns is below it."""

    def calibrated_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss without the share that is due to overconfident or underconfident outputs.

        It compares networks that were trained with different targets (smoothed, mixed).
        """
        return self.loss(outputs, targets)

    @abstractmethod
    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        """The metric over all examples of a split; their order does not matter."""

    def measures(
        self, outputs: Tensor, targets: Tensor, names: Sequence[str], scale: Sequence[float]
    ) -> dict[str, float]:
        """Further measures for people, by name; of targets with these names and units."""
        return {}


LOSSES: Registry[AbstractLoss] = Registry("task")
