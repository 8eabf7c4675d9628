"""What every task type answers; its loss is that of its torch module under `worker/tasks/`."""

from abc import ABC, abstractmethod
from typing import ClassVar

from core.protocol.contracts import DatasetSpec
from core.registry import Registry


class AbstractTask(ABC):
    """A task type: head, metric and direction."""

    metric: ClassVar[str]  # the name people know it by, such as "accuracy"
    larger_is_better: ClassVar[bool]

    @abstractmethod
    def outputs(self, spec: DatasetSpec) -> int:
        """How many outputs the network's last layer has."""

    @abstractmethod
    def value_std(self, value: float, examples: int) -> float:
        """The standard error of a metric that was measured on so many examples; above zero."""

    def objective(self, metric: float) -> float:
        """The metric as a value of which more is better."""
        return metric if self.larger_is_better else -metric


TASKS: Registry[AbstractTask] = Registry("task")
