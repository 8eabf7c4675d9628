"""What every data-set format is: it knows its files by their first bytes, and reads them safely."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO

from core.data.datasets import Arrays
from core.registry import Registry


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much of somebody's file is believed."""

    bytes: int = 2 * 2**30  # of all arrays together, unpacked
    ratio: int = 200  # unpacked to packed, of one array
    arrays: int = 16
    header: int = 10_000  # bytes of one array's header


class AbstractFormat(ABC):
    """One file format."""

    @classmethod
    @abstractmethod
    def recognises(cls, start: bytes) -> bool:
        """Whether a file that starts so is of this format."""

    @classmethod
    @abstractmethod
    def parse(cls, file: BinaryIO, limits: ReadLimits) -> Arrays:
        """The data set in the file, validated; raises InvalidDataset, never trusts a size."""


FORMATS: Registry[AbstractFormat] = Registry("data-set format")
