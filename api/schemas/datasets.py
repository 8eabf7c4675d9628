"""Data sets, and what they may be before an upload."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import CreatedAt, NextCursor
from core.data.description.facts import DatasetDescription

ImageSide = Annotated[int, Field(ge=1, le=1024)]  # pixels
SplitSeed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class DatasetOut(Out):
    """A data set: what its examples are, and how they were understood."""

    id: UUID = Field(description="id of this version of the data set")
    name: str = Field(description="its name")
    version: int = Field(
        description="number of the version: other content under the same name is the next one"
    )
    builtin: bool = Field(description="whether it needs no upload")
    task: str = Field(
        description="task type that its labels are for, such as `image-classification`"
    )
    input_shape: list[int] = Field(
        description="shape of one example: (channels, height, width), (channels, length) or "
        "(features)"
    )
    classes: int = Field(description="number of classes; 0: numbers are predicted")
    class_names: list[str] = Field(description="names of the classes in their order")
    target_names: list[str] = Field(
        default=[], description="names of the numbers to predict, where no class is"
    )
    train_examples: int = Field(description="examples to train and to validate on")
    test_examples: int = Field(description="examples of the test split")
    layout: str | None = Field(
        description="axes of the examples as they came, such as `NHWC`; null: imported by an "
        "older release"
    )
    bytes: int = Field(description="size in storage in bytes")
    created_at: CreatedAt
    uploaded_at: datetime = Field(
        description="when it was last uploaded; the name means the version that was uploaded last"
    )
    description: DatasetDescription | None = Field(
        description="how its files were understood; null: imported by an older release"
    )


class DatasetPage(Out):
    """One page of a list of data sets."""

    items: list[DatasetOut] = Field(description="data sets of this page")
    next_cursor: NextCursor


class IntakeOut(Out):
    """What data sets may be, for people and programs to know before an upload."""

    max_upload_bytes: int = Field(description="largest upload in bytes")
    formats: dict[str, str] = Field(description="formats of files by kind, and what they hold")
    tasks: list[str] = Field(default=[], description="task types that labels may be taken for")
    layouts: list[str] = Field(description="how axes are understood")
    image_side: int = Field(
        description="largest side of images from files, in pixels, unless the upload gives another"
    )
    builtins: list[str] = Field(description="names of data sets that need no upload")
