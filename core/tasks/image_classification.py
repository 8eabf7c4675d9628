"""Image classification: one label for each image (or vector), measured by accuracy."""

import math
from typing import ClassVar

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks.metric import Metric
from core.tasks.task import TASKS, AbstractTask

#: A probability counts as at least the precision of float64, as in scikit-learn.
LARGEST_LOG_LOSS = -math.log(2.0**-52)


@TASKS.register("image-classification")
class ImageClassification(AbstractTask):
    """The network's outputs are logits, one for each class."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(kind="accuracy", name="accuracy"),
        Metric(kind="balanced-accuracy", name="balanced accuracy"),
        Metric(kind="macro-f1", name="macro F1"),
        Metric(kind="auroc", name="AUROC"),
        Metric(
            kind="log-loss",
            name="log-loss",
            larger_is_better=False,
            value_range=(-LARGEST_LOG_LOSS, 0.0),
            in_percent=False,
        ),
    )

    def outputs(self, spec: DatasetSpec) -> int:
        return spec.classes

    def value_std(self, value: float, examples: int) -> float:
        """The binomial standard error sqrt(p (1 - p) / n), above zero even where all are right.

        One success and one failure are added to the count (Laplace's rule of succession).
        """
        p = (value * examples + 1) / (examples + 2)
        return math.sqrt(p * (1 - p) / examples)
