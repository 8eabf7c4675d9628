"""Image classification: one label for each image (or vector), measured by accuracy."""

import math

from core.protocol.contracts import DatasetSpec
from core.tasks.task import TASKS, AbstractTask


@TASKS.register("image-classification")
class ImageClassification(AbstractTask):
    """The network's outputs are logits, one for each class."""

    metric = "accuracy"
    larger_is_better = True
    value_range = (0.0, 1.0)
    in_percent = True

    def outputs(self, spec: DatasetSpec) -> int:
        return spec.classes

    def value_std(self, value: float, examples: int) -> float:
        """The binomial standard error sqrt(p (1 - p) / n), above zero even where all are right.

        One success and one failure are added to the count (Laplace's rule of succession).
        """
        p = (value * examples + 1) / (examples + 2)
        return math.sqrt(p * (1 - p) / examples)
