"""Image classification: cross-entropy of logits; accuracy and other metrics of classes."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.tasks.chance import chance_loss
from core.tasks.image_classification import LARGEST_LOG_LOSS
from worker.tasks.estimate import Estimate, Floats, areas, f1_scores, recalls
from worker.tasks.loss import LOSSES, AbstractEstimatingLoss, on_device

#: Neighbours differ by a tenth, so the loss found is within a thousandth of the lowest.
TEMPERATURES = tuple(1.1**power for power in range(-10, 18))  # 0.39 to 5.1


@LOSSES.register("image-classification")
class ImageClassificationLoss(AbstractEstimatingLoss):
    """Outputs are logits of shape (n, classes), targets class indices of shape (n,)."""

    @classmethod
    def balanced_weights(cls, y: NDArray[np.int64], classes: int) -> tuple[float, ...]:
        """n / (classes × examples of the class); their mean over the examples is 1."""
        counts = np.bincount(y, minlength=classes)
        return tuple((len(y) / (classes * counts)).tolist())

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs.float(), targets, label_smoothing=label_smoothing)

    def training_loss(
        self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        """The mean of the losses, each times the weight of its example's class."""
        if not self.class_weights:
            return self.loss(outputs, targets, label_smoothing)
        losses = cross_entropy(
            outputs.float(), targets, label_smoothing=label_smoothing, reduction="none"
        )
        return (on_device(self.class_weights, targets.device)[targets] * losses).mean()

    def chance_loss(
        self, targets: NDArray[np.int64], outputs: int, label_smoothing: float = 0.0
    ) -> float:
        counts = np.bincount(targets, minlength=outputs)
        if not self.class_weights:
            return chance_loss(counts, label_smoothing)
        weighted = counts * np.array(self.class_weights)
        return float(weighted.sum() / counts.sum()) * chance_loss(weighted, label_smoothing)

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
        if self.task.chosen.kind == "accuracy":  # measured often: without leaving the device
            return int((outputs.argmax(dim=1) == targets).sum()) / len(targets)
        return super().metric(outputs, targets)

    def estimate(self, outputs: Tensor, targets: Tensor) -> Estimate:
        """The chosen metric of classes; a class without examples does not count."""
        logits = outputs.detach().double().log_softmax(dim=1).cpu().numpy()
        return _ESTIMATES[self.task.chosen.kind](logits, targets.cpu().numpy(), self)


def _accuracy(logits: Floats, labels: NDArray[np.int64], loss: ImageClassificationLoss) -> Estimate:
    value = float((logits.argmax(axis=1) == labels).mean())
    return Estimate(value, loss.task.value_std(value, len(labels)))


def _balanced_accuracy(
    logits: Floats, labels: NDArray[np.int64], loss: ImageClassificationLoss
) -> Estimate:
    """The mean recall of the classes."""
    return recalls(logits.argmax(axis=1) == labels, _is_of(labels, logits.shape[1])).mean()


def _macro_f1(logits: Floats, labels: NDArray[np.int64], loss: ImageClassificationLoss) -> Estimate:
    """The mean F1 score of the classes that occur or are predicted."""
    classes = logits.shape[1]
    return f1_scores(_is_of(logits.argmax(axis=1), classes), _is_of(labels, classes)).mean()


def _auroc(logits: Floats, labels: NDArray[np.int64], loss: ImageClassificationLoss) -> Estimate:
    """The mean area under the ROC curve of each class against the rest, by its probability.

    Probabilities that differ by less than float32 resolves are equal: a tie.
    """
    return areas(logits.T.astype(np.float32), _is_of(labels, logits.shape[1])).mean()


def _log_loss(logits: Floats, labels: NDArray[np.int64], loss: ImageClassificationLoss) -> Estimate:
    """The mean cross-entropy in nats; a wrong example is one that is guessed."""
    losses = -np.maximum(logits[np.arange(len(labels)), labels], -LARGEST_LOG_LOSS)
    return Estimate.of_mean(losses, math.log(logits.shape[1]))


def _is_of(labels: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    """Whether each example is of each class: (n,) -> (classes, n)"""
    return np.asarray(np.arange(classes)[:, None] == labels)


_ESTIMATES: dict[str, Callable[[Floats, NDArray[np.int64], ImageClassificationLoss], Estimate]] = {
    "accuracy": _accuracy,
    "balanced-accuracy": _balanced_accuracy,
    "macro-f1": _macro_f1,
    "auroc": _auroc,
    "log-loss": _log_loss,
}
