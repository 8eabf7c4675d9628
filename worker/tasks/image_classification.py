"""Image classification: cross-entropy of logits, accuracy."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.tasks.chance import chance_loss
from worker.tasks.loss import LOSSES, AbstractLoss

#: Neighbours differ by a tenth, so the loss found is within a thousandth of the lowest.
TEMPERATURES = tuple(1.1**power for power in range(-10, 18))  # 0.39 to 5.1


@LOSSES.register("image-classification")
class ImageClassificationLoss(AbstractLoss):
    """Outputs are logits of shape (n, classes), targets class indices of shape (n,)."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs.float(), targets, label_smoothing=label_smoothing)

    def chance_loss(
        self, targets: NDArray[np.int64], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        return chance_loss(np.bincount(targets, minlength=outputs), label_smoothing)

    def calibrated_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss at the best temperature (Guo et al. 2017, arXiv:1706.04599).

        One example that is guessed is added: without it, a network that classifies a few examples
        all correctly would be infinitely better than the others.
        """
        logits = outputs.float()
        losses = [cross_entropy(logits / temperature, targets) for temperature in TEMPERATURES]
        n, guess = len(targets), math.log(outputs.shape[1])
        return (n * torch.stack(losses).min() + guess) / (n + 1)

    def metric(self, outputs: Tensor, targets: Tensor) -> float:
        return int((outputs.argmax(dim=1) == targets).sum()) / len(targets)
