"""Image classification: cross-entropy of logits, accuracy."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.chance import chance_loss
from worker.tasks.loss import LOSSES, AbstractLoss


@LOSSES.register("image-classification")
class ImageClassificationLoss(AbstractLoss):
    """Outputs are logits of shape (n, classes), targets class numbers of shape (n,)."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs.float(), targets, label_smoothing=label_smoothing)

    def chance_loss(
        self, targets: NDArray[np.int64], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        return chance_loss(np.bincount(targets, minlength=outputs), label_smoothing)

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(dim=1) == targets).sum()
