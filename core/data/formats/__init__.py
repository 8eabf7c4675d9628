"""The file formats that data sets may come in; each module registers one."""

from core.data.files import Files, ReadLimits
from core.data.formats.abstract import (
    FORMATS,
    AbstractFormat,
    Part,
    RawData,
    ReadOptions,
)
from core.registry import import_modules

import_modules(__name__, list(__path__))

__all__ = [
    "FORMATS",
    "AbstractFormat",
    "Files",
    "Part",
    "RawData",
    "ReadLimits",
    "ReadOptions",
]
