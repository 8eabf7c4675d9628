"""The facts about a data set: its examples, how they became numbers, how they are divided."""

from pydantic import Field

from core.protocol.contracts.fields import Finite
from core.protocol.contracts.message import Message
from core.protocol.explained_enum import ExplainedEnum


class ColumnSpec(Message):
    """How a column of a table becomes numbers, as learned from the training rows."""

    name: str = Field(description="name of the column")
    kind: str = Field(description="`number`, `date` (days since 1970) or `category`")
    fill: Finite = Field(
        default=0.0, description="of a number or date: what a missing one counts as, the median"
    )
    categories: tuple[str, ...] = Field(
        default=(), description="values that have a feature each: 1 in rows with it, else 0"
    )
    other: bool = Field(
        default=False,
        description="whether there is one more feature for categories that are not in the list",
    )
    missing: bool = Field(
        default=False, description="whether there is one more feature for rows without a value"
    )

    @property
    def features(self) -> int:
        """How many numbers a cell becomes."""
        values = len(self.categories) + self.other if self.kind == "category" else 1
        return values + self.missing


class TableSpec(Message):
    """How the rows of a table become vectors: the columns in the order of their features."""

    target: str = Field(
        description='name of the column with the labels; several are separated by ", "'
    )
    columns: tuple[ColumnSpec, ...] = Field(
        description="columns to learn from, in the order of their features"
    )


class TextSpec(Message):
    """How texts become token numbers; the stored data set has the pieces of words themselves."""

    column: str | None = Field(
        default=None, description="column of a table that the texts were in; null: no table"
    )
    length: int = Field(
        description="tokens of one example: longer texts are cut, shorter ones filled with 0"
    )
    vocabulary: int = Field(
        description="number of token numbers, those for filling and for unknown characters "
        "among them"
    )


class SplitKind(ExplainedEnum):
    """How a part of the examples is chosen to validate or test on."""

    RANDOM = "random", "the same share of each class, or of each range of the numbers to predict"
    GIVEN = "given", "as the files have it"
    GROUP = "group", "no group is in two parts"
    TIME = "time", "the latest examples"


class SplitSpec(Message):
    """How a data set is divided into examples to train, to validate and to test on."""

    validation: SplitKind = Field(
        default=SplitKind.RANDOM,
        description="how validation examples are chosen: drawn by each search, unless they are "
        "given",
    )
    test: SplitKind = Field(
        default=SplitKind.RANDOM,
        description="how test examples are chosen: set aside once, for all searches",
    )
    column: str = Field(
        default="", max_length=128, description="column of a table with the groups or times"
    )
    seed: int | None = Field(
        default=None,
        description="seed of a test split that was set aside at random or by groups; null: "
        "another split",
    )
    since: str = Field(
        default="", max_length=64, description="earliest time in a test split by time"
    )
    validation_examples: int = Field(
        default=0, description="given validation examples, which are among those for training"
    )


class DatasetSpec(Message):
    """The facts about a data set that are needed without opening it."""

    input_shape: tuple[int, ...] = Field(
        description="shape of one example: (channels, height, width), (channels, length) or "
        "(features)"
    )
    classes: int = Field(
        description="number of classes; 0: numbers are predicted, see `target_names`"
    )
    class_names: tuple[str, ...] = Field(description="names of the classes in their order")
    train_examples: int = Field(
        description="training examples; the validation split is taken from these"
    )
    test_examples: int = Field(description="examples of the test split")
    dtype: str = Field(
        description="type of the numbers as stored: `uint8`, `float32` or `float64`; `int32` of "
        "token numbers"
    )
    flip: bool = Field(default=True, description="whether a mirrored example still has its label")
    layout: str | None = Field(
        default=None,
        description="axes of the user's file, such as `NHWC`; null: unknown, imported by an "
        "older release",
    )
    image_mode: str | None = Field(
        default=None,
        description="form of pictures that came as image files: `L`, `LA`, `RGB` or `RGBA` "
        "(Pillow's modes), or `I;16`; else null. Pictures of other sizes than "
        "`input_shape` says were fitted into it, proportions kept, with black "
        "beside them (`PIL.ImageOps.pad`)",
    )
    padded: str | None = Field(
        default=None,
        description="axes of the user's file, such as `NL`, of signals of different lengths: there "
        "shorter ones end with NaN; the last channel says where there are values, and `layout` is "
        "`NCL`; else null",
    )
    table: TableSpec | None = Field(
        default=None, description="of vectors that were rows of a table: how they became vectors"
    )
    text: TextSpec | None = Field(
        default=None,
        description="of token numbers (1, length), which were texts: how they became tokens",
    )
    target_names: tuple[str, ...] = Field(
        default=(),
        description="names of the numbers that are predicted for each example; empty: a class is",
    )
    split: SplitSpec | None = Field(
        default=None,
        description="how it is divided; null: unknown, as it was imported by an older release; "
        "validation is drawn at random",
    )
    multi_label: bool = Field(
        default=False,
        description="whether an example may have several of the classes, or none: then they are "
        "labels",
    )

    @property
    def outputs(self) -> int:
        """How many numbers a network computes for one example."""
        return self.classes or len(self.target_names)
