"""The torch twins of the layers, one module per kind as in `core.layers`."""

from core.registry import import_modules
from worker.layers.twin import TWINS, AbstractTwin

import_modules(__name__, list(__path__))

__all__ = ["TWINS", "AbstractTwin"]
