"""The interface of data-set formats: recognise a file by its first bytes, and parse it safely."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO

from core.data.datasets import Arrays
from core.registry import Registry


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on the sizes that an uploaded file may claim."""

    bytes: int = 2 * 2**30  # of all arrays together, unpacked
    ratio: int = 200  # unpacked to packed, of one array
    arrays: int = 16
    header: int = 10_000  # bytes of one array's header


class AbstractFormat(ABC):
    """One file format."""

    @classmethod
    @abstractmethod
    def recognises(cls, start: bytes) -> bool:
        """Whether a file with these first bytes is of this format."""

    @classmethod
    @abstractmethod
    def parse(cls, file: BinaryIO, limits: ReadLimits) -> Arrays:
        """The validated data set in the file; raises InvalidDataset. Trusts no size in the file."""


FORMATS: Registry[AbstractFormat] = Registry("data-set format")
