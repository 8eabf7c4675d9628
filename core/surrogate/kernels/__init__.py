"""The kernels, one module each; each joins `KERNELS` by itself."""

from core.registry import import_modules
from core.surrogate.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points

import_modules(__name__, list(__path__))

__all__ = ["KERNELS", "AbstractKernel", "Geometry", "Points"]
