"""The torch modules of the task types: their losses."""

from core.registry import import_modules
from worker.tasks.loss import LOSSES, AbstractLoss, loss_of

import_modules(__name__, list(__path__))

__all__ = ["LOSSES", "AbstractLoss", "loss_of"]
