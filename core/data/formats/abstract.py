"""The interface of data-set formats: recognise files by their names and bytes, and read them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from core.data.files import Files, ReadLimits
from core.data.split_keys import SplitKeys
from core.data.tables.table import Table
from core.registry import Registry


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a person may say about files that do not say it themselves."""

    layout: str | None = None  # the axes of the examples, one of `core.data.layouts.LAYOUTS`
    image_side: int | None = None  # largest side of images from files, in pixels
    target: str | None = None  # the column of a table that holds the labels
    text: str | None = None  # the column of a table that holds texts, the only one that is read
    categories: tuple[str, ...] = ()  # columns that are categories, though they look like numbers
    leave_out: tuple[str, ...] = ()  # columns of a table that are not learned from
    task: str | None = None  # what the labels are for, one of `core.data.targets.LABEL_TASKS`
    #: The column of a table whose groups all splits keep apart; or `file_groups.FILE_PREFIX`.
    group: str | None = None
    time: str | None = None  # the column of a table by which the latest rows are the test split
    split_seed: int | None = None  # of the test split, where the files have none
    merge_labels: bool = False  # texts that differ only in capital letters or blanks are one label


@dataclass(frozen=True, slots=True)
class Part:
    """Examples (N, ...) and their labels (N,), (N, 1) or (N, K), as they came."""

    x: NDArray[Any]
    y: NDArray[Any]
    groups: NDArray[Any] | None = None  # (N,): examples of one group stay together
    times: NDArray[Any] | None = None  # (N,): the latest examples are for the test


@dataclass(frozen=True, slots=True, kw_only=True)
class RawData:
    """What the files hold, before anything is made of it."""

    parts: Mapping[str, Part]  # "train" and, where the files have them, "validation" and "test"
    class_names: tuple[str, ...] | None = None
    layout: str | None = None  # as in ReadOptions, where the files say it
    image_mode: str | None = None  # as in DatasetSpec
    task: str | None = None  # as in ReadOptions, where the files say it
    target_names: tuple[str, ...] = ()  # of numbers to predict, where the files name them
    keys: SplitKeys | None = None  # of a column of groups or times, where a table has it
    notes: tuple[str, ...] = field(default=())  # what was done to the data on reading
    warnings: tuple[str, ...] = field(default=())


class AbstractFormat(ABC):
    """One way to keep a data set in files."""

    description: str  # for people: "an npz file with x and y, …"

    @classmethod
    @abstractmethod
    def recognises(cls, files: Files) -> bool:
        """Whether the files are of this format."""

    @classmethod
    @abstractmethod
    def read(cls, files: Files, limits: ReadLimits, options: ReadOptions) -> RawData | Table:
        """The arrays or the table in the files; raises InvalidDataset.

        Trusts no size that the files claim.
        """


FORMATS: Registry[AbstractFormat] = Registry("data-set format")
