"""The interface of task types; the loss is in the torch module under `worker/tasks/`."""

from abc import ABC, abstractmethod
from typing import ClassVar

from core.protocol.contracts import DatasetSpec
from core.registry import Registry


class AbstractTask(ABC):
    """A task type: head, metric and direction."""

    metric: ClassVar[str]  # the name people know it by, such as "accuracy"
    larger_is_better: ClassVar[bool]
    value_range: ClassVar[tuple[float, float]]  # least and greatest credible value (`objective`)
    in_percent: ClassVar[bool]  # whether people read the metric as a percentage
    predicts_classes: ClassVar[bool] = True  # else numbers

    @abstractmethod
    def outputs(self, spec: DatasetSpec) -> int:
        """How many outputs the network's last layer has."""

    @abstractmethod
    def value_std(self, value: float, examples: int) -> float:
        """The standard error of a metric measured on this many examples; above zero."""

    def objective(self, metric: float) -> float:
        """The metric as a value of which more is better."""
        return metric if self.larger_is_better else -metric

    def is_credible(self, value: float) -> bool:
        """Whether a trial can have this value; NaN is never credible."""
        least, greatest = self.value_range
        return least <= value <= greatest

    def in_words(self, metric: float, std: float | None = None) -> str:
        """The metric as people read it, with its standard error where given: "98.42 % ± 0.31"."""
        if self.in_percent:
            return f"{100 * metric:.2f} %" + ("" if std is None else f" ± {100 * std:.2f}")
        return f"{metric:.4g}" + ("" if std is None else f" ± {std:.2g}")

    def named_in_words(self, metric: float) -> str:
        """The metric for a sentence: a number that is no percentage needs its name."""
        return (
            self.in_words(metric) if self.in_percent else f"{self.metric} {self.in_words(metric)}"
        )


TASKS: Registry[AbstractTask] = Registry("task")
