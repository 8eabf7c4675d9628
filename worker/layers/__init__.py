"""The torch modules of the layers, one module per kind as in `core.layers`."""

from core.registry import import_modules
from worker.layers.module import MODULES, AbstractModule

import_modules(__name__, list(__path__))

__all__ = ["MODULES", "AbstractModule"]
