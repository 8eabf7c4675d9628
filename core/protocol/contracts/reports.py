"""The reports of a running trial, and the controller's answer to them."""

from uuid import UUID

from pydantic import Field

from core.protocol.contracts.fields import MOST_GATHERED, Finite, Seconds
from core.protocol.contracts.message import Message
from core.protocol.explained_enum import ExplainedEnum


class Action(ExplainedEnum):
    """What a worker does next."""

    CONTINUE = "continue", "go on with the training"
    STOP = "stop", "end now, keep the best weights, report `stopped`"
    ABANDON = "abandon", "another worker has the lease: end now, report nothing"


class Answer(Message):
    """The controller's answer to a report of a running trial: what to do next."""

    action: Action = Field(default=Action.CONTINUE, description="what to do next")
    reason: str = Field(default="", description="why; or empty")


class Heartbeat(Message):
    """Liveness and, through `step`, progress."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
    step: int = Field(ge=0, description="optimiser steps so far")


class EpochMetrics(Message):
    """The metrics of one finished epoch; epochs count from 1."""

    epoch: int = Field(ge=1, description="number of the epoch")
    train_loss: Finite | None = Field(
        default=None, description="mean loss on the training examples"
    )
    validation_loss: Finite | None = Field(default=None, description="loss on the validation split")
    validation_metric: Finite | None = Field(
        default=None,
        description="metric on the validation split; in the final fit on its held-out examples",
    )
    learning_rate: Finite | None = Field(
        default=None, description="learning rate at the end of the epoch"
    )
    seconds: Seconds = Field(description="seconds since the training began")


class EpochReport(EpochMetrics):
    """A worker reports the last finished epoch of its trial, and others that it gathered before."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
    earlier: tuple[EpochMetrics, ...] = Field(
        default=(),
        max_length=MOST_GATHERED,
        description="epochs before this one that no other report has",
    )
