"""The abstract loss of a task type: its loss and metrics in torch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from core.registry import Registry
from core.tasks import TASKS
from worker.tasks.estimate import Estimate


class AbstractLoss(ABC):
    """The loss of a task type on one batch, and its metrics.

    Args:
        metric: the kind of the metric that is optimised; None: the default of the task type.
        names: the names of the targets of regression.
        scale: their standard deviations in training, in the user's units, (targets,).
        class_weights: the weight of an example of each class in training, (classes,); empty: 1.
    """

    def __init__(
        self,
        metric: str | None = None,
        *,
        names: Sequence[str] = (),
        scale: Sequence[float] = (),
        class_weights: Sequence[float] = (),
    ) -> None:
        self.task = TASKS[LOSSES.kind_of(self)](metric)
        self.names, self.scale = tuple(names), tuple(scale)
        self.class_weights = tuple(class_weights)

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The batch's mean loss, a scalar to be minimised."""

    @classmethod
    def prepared(cls, y: NDArray[Any]) -> NDArray[Any]:
        """The stored labels or standardised targets as the loss takes them."""
        return y

    @classmethod
    def balanced_weights(cls, y: NDArray[Any], classes: int) -> tuple[float, ...]:
        """Weights of the classes by which all count equally; empty where there are no classes."""
        return ()

    def training_loss(
        self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        """The loss in training, where classes may have weights."""
        return self.loss(outputs, targets, label_smoothing)

    @abstractmethod
    def chance_loss(
        self, targets: NDArray[Any], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        """The least mean training loss of a constant prediction; one that learns is below it."""

    def calibrated_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss without the share that is due to overconfident or underconfident outputs.

        It compares networks that were trained with different targets (smoothed, mixed).
        """
        return self.loss(outputs, targets)

    @abstractmethod
    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        """The chosen metric over all examples of a split; their order does not matter."""

    def metric_std(self, outputs: Tensor, targets: Tensor) -> float:
        """The standard error of `metric`; above zero."""
        value = self.metric(outputs, targets)
        return self.task.value_std(value, len(targets))

    def other_metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The other metrics of the task type by name: they are reported of the final network."""
        return {
            one.name: type(self)(one.kind, names=self.names, scale=self.scale).metric(
                outputs, targets
            )
            for one in self.task.others
        }

    def measures(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Further measures for people, by name, in the units of their data."""
        return {}


class AbstractEstimatingLoss(AbstractLoss):
    """A loss whose metrics come with their standard errors."""

    @abstractmethod
    def estimate(self, outputs: Tensor, targets: Tensor) -> Estimate:
        """The chosen metric and its standard error."""

    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        return self.estimate(outputs, targets).value

    def metric_std(self, outputs: Tensor, targets: Tensor) -> float:
        return self.estimate(outputs, targets).std


@lru_cache(maxsize=4)
def on_device(weights: tuple[float, ...], device: torch.device) -> Tensor:
    """Class weights on a device. To copy them there at each step would wait for the device."""
    return torch.tensor(weights, dtype=torch.float32, device=device)


LOSSES: Registry[AbstractLoss] = Registry("task")


def loss_of(task: str | AbstractLoss) -> AbstractLoss:
    """The loss of a task type with its default metric, or the loss itself."""
    return LOSSES[task]() if isinstance(task, str) else task
