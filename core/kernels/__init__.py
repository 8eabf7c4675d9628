"""The kernels, one module each; each joins `KERNELS` by itself."""

from core.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points
from core.registry import import_modules

import_modules(__name__, list(__path__))

__all__ = ["KERNELS", "AbstractKernel", "Geometry", "Points"]
