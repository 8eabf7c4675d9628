"""Multi-label classification: binary cross-entropy of each label, and metrics of all labels."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from core.tasks.chance import chance_loss
from worker.tasks.estimate import Estimate, areas, average_precisions, f1_scores
from worker.tasks.image_classification import TEMPERATURES
from worker.tasks.loss import LOSSES, AbstractEstimatingLoss, on_device


@LOSSES.register("multi-label")
class MultiLabelLoss(AbstractEstimatingLoss):
    """Outputs are logits of shape (n, labels), targets 0 or 1 of the same shape."""

    @classmethod
    def prepared(cls, y: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Targets as the cross-entropy takes them, also mixed and smoothed."""
        return y.astype(np.float32)

    @classmethod
    def balanced_weights(cls, y: NDArray[np.uint8], classes: int) -> tuple[float, ...]:
        """The weight of an example with each label: half of all weight is that of such examples."""
        return tuple((0.5 / y.mean(axis=0)).tolist())

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return binary_cross_entropy_with_logits(
            outputs.float(), _smoothed(targets, label_smoothing)
        )

    def training_loss(
        self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        """The mean of the losses, of each label weighted by whether an example has it."""
        if not self.class_weights:
            return self.loss(outputs, targets, label_smoothing)
        present = on_device(self.class_weights, targets.device)
        weights = torch.where(targets > 0, present, present / (2 * present - 1))
        smoothed = _smoothed(targets, label_smoothing)
        return binary_cross_entropy_with_logits(outputs.float(), smoothed, weight=weights)

    def chance_loss(
        self, targets: NDArray[np.float32], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        """The mean over the labels of the loss of answering with their frequencies."""
        if self.class_weights:  # labels are as frequent as their absence
            return math.log(2)
        counts = targets.sum(axis=0, dtype=np.float64)
        both = ((len(targets) - count, count) for count in counts.tolist())
        return float(np.mean([chance_loss(np.array(two), label_smoothing) for two in both]))

    def calibrated_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss at the best temperature, with one example that is guessed."""
        logits = outputs.float()
        losses = [self.loss(logits / temperature, targets) for temperature in TEMPERATURES]
        n = len(targets)
        return (n * torch.stack(losses).min() + math.log(2)) / (n + 1)

    def estimate(self, outputs: Tensor, targets: Tensor) -> Estimate:
        """The chosen metric; a label that no example has, or all have, may not count."""
        logits = outputs.detach().float().cpu().numpy().T
        actual = targets.cpu().numpy().T > 0
        if self.task.chosen.kind == "average-precision":
            return average_precisions(logits, actual).mean()
        if self.task.chosen.kind == "auroc":
            return areas(logits, actual).mean()
        predicted = logits >= 0  # a probability of at least one half
        if self.task.chosen.kind == "macro-f1":
            return f1_scores(predicted, actual).mean()
        return Estimate.of_mean((predicted == actual).all(axis=0).astype(np.float64), 1.0)


def _smoothed(targets: Tensor, label_smoothing: float) -> Tensor:
    return targets * (1 - label_smoothing) + label_smoothing / 2
