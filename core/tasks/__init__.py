"""The task types: what is learned, how it is measured, which way is better."""

from core.registry import import_modules
from core.tasks.metric import Metric
from core.tasks.task import TASKS, AbstractTask, measured

import_modules(__name__, list(__path__))

__all__ = ["TASKS", "AbstractTask", "Metric", "measured"]
