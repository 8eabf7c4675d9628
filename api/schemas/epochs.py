"""Epochs of trials."""

from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import NextCursor


class EpochOut(Out):
    """One epoch of a trial."""

    trial_id: UUID = Field(description="id of the trial")
    attempt: int = Field(description="attempt that the epoch belongs to")
    epoch: int = Field(description="number of the epoch, from 1")
    train_loss: float | None = Field(
        description="mean loss on the training examples; null if it was not finite"
    )
    validation_loss: float | None = Field(
        description="loss on the validation split; null if it was not finite"
    )
    validation_metric: float | None = Field(description="metric on the validation split")
    learning_rate: float | None = Field(description="learning rate at the end of the epoch")
    seconds: float = Field(description="seconds since the training began")


class EpochPage(Out):
    """One page of a list of epochs."""

    items: list[EpochOut] = Field(description="epochs of this page")
    next_cursor: NextCursor
