"""Image classification: cross-entropy of logits, accuracy."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from worker.tasks.loss import LOSSES, AbstractLoss


@LOSSES.register("image-classification")
class ImageClassificationLoss(AbstractLoss):
    """Outputs are logits of shape (n, classes), targets class numbers of shape (n,)."""

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return cross_entropy(outputs.float(), targets, label_smoothing=label_smoothing)

    def metric_sum(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(dim=1) == targets).sum()
