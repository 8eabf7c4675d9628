"""The task types: what is learned, how it is measured, which way is better."""

from core.registry import import_modules
from core.tasks.metric import Metric
from core.tasks.task import TASKS, AbstractTask, measured

import_modules(__name__, list(__path__))

#: The kinds of the metrics of which less is better.
ERRORS = frozenset(
    one.kind for task in TASKS.values() for one in task.metrics if not one.larger_is_better
)

__all__ = ["ERRORS", "TASKS", "AbstractTask", "Metric", "measured"]
