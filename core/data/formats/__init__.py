"""The file formats that data sets may come in; each module registers one."""

from core.data.formats.abstract import FORMATS, AbstractFormat, ReadLimits
from core.registry import import_modules

import_modules(__name__, list(__path__))

__all__ = ["FORMATS", "AbstractFormat", "ReadLimits"]
