"""The records that a data set's description is made of."""

from pydantic import Field

from core.protocol.contracts.fields import Finite
from core.protocol.contracts.message import Message


class SplitFacts(Message):
    """One split of a data set."""

    name: str = Field(
        description="`train` or `test`; `validation`, between them, where the files have it"
    )
    examples: int = Field(description="number of examples")
    by_class: tuple[int, ...] = Field(
        description="examples of each class, in the order of the class names; of regression empty"
    )
    given: bool = Field(
        description="whether it is a split of its own in the files; else Netmorph took it from "
        "the rest"
    )
    groups: int = Field(default=0, description="groups that it has, where groups are kept apart")


class TargetFacts(Message):
    """A number that is predicted, over all examples."""

    name: str = Field(description="name of the number")
    least: Finite = Field(description="least value")
    greatest: Finite = Field(description="greatest value")
    mean: Finite = Field(description="mean value")
    std: Finite = Field(description="standard deviation")


class Repetitions(Message):
    """Examples that occur more than once, byte by byte."""

    in_train: int = Field(description="training examples equal to an earlier one")
    in_test: int = Field(description="test examples equal to an earlier one")
    leaked: int = Field(description="test examples that are training examples, too")
    validation_leaked: int = Field(
        default=0, description="examples of a given validation split that are training examples"
    )
    contradictory: int = Field(
        description="examples equal to an earlier one of another class or target"
    )


class ColumnFacts(Message):
    """How one column of a table was understood."""

    name: str = Field(description="name of the column")
    taken_as: str = Field(description="`target`, `number`, `date`, `category` or `left out`")
    features: int = Field(description="numbers that it becomes")
    reason: str = Field(description="why it was taken so")


class DatasetDescription(Message):
    """How the files of a data set were understood."""

    format: str = Field(
        description="format of the files, one that `GET /v1/datasets/intake` lists, or `built-in`"
    )
    task: str = Field(description="task type that the labels are for")
    task_reason: str = Field(description="why it was taken for that")
    kind: str = Field(description="kind of the examples: `images`, `signals`, `vectors` or `texts`")
    layout: str = Field(description="axes of the examples as they came, such as `NHWC`")
    layout_reason: str = Field(description="why they were taken for that")
    values: str = Field(description="type of the numbers as they came, such as `float64`")
    least: Finite = Field(description="least of all values")
    greatest: Finite = Field(description="greatest of all values")
    splits: tuple[SplitFacts, ...] = Field(description="splits of the data set")
    targets: tuple[TargetFacts, ...] = Field(
        default=(), description="of regression: the numbers to predict"
    )
    repetitions: Repetitions = Field(description="examples that occur more than once")
    columns: tuple[ColumnFacts, ...] = Field(
        default=(), description="of a table: how its columns were understood"
    )
    notes: tuple[str, ...] = Field(description="what was done to the data")
    warnings: tuple[str, ...] = Field(description="what may be wrong with the data")
    summary: tuple[str, ...] = Field(description="all of this in sentences")
