"""Multi-label classification: any number of labels for each example, measured by their ranking."""

import math
from typing import ClassVar

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks.metric import Metric
from core.tasks.task import TASKS, AbstractTask

THRESHOLD = 0.5  # probability from which a label is predicted


@TASKS.register("multi-label")
class MultiLabel(AbstractTask):
    """The network's outputs are logits, one for each label; several labels may be right."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(kind="average-precision", name="mean average precision"),
        Metric(kind="auroc", name="AUROC"),
        Metric(kind="macro-f1", name="macro F1"),
        Metric(kind="exact-match", name="exact match"),
    )

    def outputs(self, spec: DatasetSpec) -> int:
        return spec.classes

    def value_std(self, value: float, examples: int) -> float:
        """That of a share of the examples; the loss computes it from the examples themselves."""
        p = (value * examples + 1) / (examples + 2)
        return math.sqrt(p * (1 - p) / examples)
