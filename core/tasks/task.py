"""The interface of task types; the loss is in the torch module under `worker/tasks/`."""

from abc import ABC, abstractmethod
from typing import ClassVar, final

from core.errors import InvalidInput
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.registry import Registry
from core.tasks.metric import Metric


class AbstractTask(ABC):
    """A task type, and the one of its metrics that is optimised."""

    metrics: ClassVar[tuple[Metric, ...]]  # that a user can choose from; the first is the default
    predicts_classes: ClassVar[bool] = True  # else numbers

    @final
    def __init__(self, metric: str | None = None) -> None:
        """Choose a metric by its kind or name; None: the default.

        Raises:
            InvalidInput: the task type does not offer it.
        """
        found = [one for one in self.metrics if metric in (None, one.kind, one.name)]
        if not found:
            offered = ", ".join(one.kind for one in self.metrics)
            raise InvalidInput(
                f"the metric {str(metric)[:64]!r} does not fit what is learned; expected one of "
                f"{offered}"
            )
        self.chosen = found[0]

    @property
    def metric(self) -> str:
        """The name of the chosen metric as people know it, such as "accuracy"."""
        return self.chosen.name

    @property
    def larger_is_better(self) -> bool:
        """Whether more of the chosen metric is better."""
        return self.chosen.larger_is_better

    @property
    def value_range(self) -> tuple[float, float]:
        """The least and greatest credible value (`objective`)."""
        return self.chosen.value_range

    @property
    def in_percent(self) -> bool:
        """Whether people read the chosen metric as a percentage."""
        return self.chosen.in_percent

    @property
    def others(self) -> tuple[Metric, ...]:
        """The metrics that are not chosen: they are reported for the final network."""
        return tuple(one for one in self.metrics if one is not self.chosen)

    @abstractmethod
    def outputs(self, spec: DatasetSpec) -> int:
        """How many outputs the network's last layer has."""

    @abstractmethod
    def value_std(self, value: float, examples: int) -> float:
        """The standard error of the default metric on this many examples; above zero.

        Those of the other metrics need more than their value: see `worker.tasks`.
        """

    def objective(self, metric: float) -> float:
        """The chosen metric as a value of which more is better."""
        return self.chosen.objective(metric)

    def of_objective(self, value: float) -> float:
        """The chosen metric of a value; the inverse of `objective`."""
        return self.chosen.of_objective(value)

    def is_credible(self, value: float) -> bool:
        """Whether a trial can have this value; NaN is never credible."""
        return self.chosen.is_credible(value)

    def in_words(self, metric: float, std: float | None = None) -> str:
        """The chosen metric as people read it: see `Metric.in_words`."""
        return self.chosen.in_words(metric, std)

    def named_in_words(self, metric: float) -> str:
        """The chosen metric for a sentence: see `Metric.named_in_words`."""
        return self.chosen.named_in_words(metric)


TASKS: Registry[AbstractTask] = Registry("task")


def measured(config: SearchConfig) -> AbstractTask:
    """The task type of a search, with the metric that it optimises."""
    return TASKS[config.task](config.metric)
