"""What the supervisor and its trainer process say to each other: JSON lines over pipes.

The supervisor writes `Command` lines to the trainer's stdin; the trainer writes `Event` lines to
the file descriptor that was its stdout (prints of libraries go to stderr). End of file on stdin
ends the trainer. The fields of `EpochEnded`, `CheckpointStored` and `Ended` are those of
`core.protocol.contracts`, so that a new fact about a trial is declared there alone.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator

from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.fields import LONGEST_PRECISION, LONGEST_REASON
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.results import TrialOutcome
from core.protocol.contracts.train_orders import TrainOrder

#: Both processes are of one release, so an unknown field is a mistake.
_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_LONGEST = {"precision": LONGEST_PRECISION, "reason": LONGEST_REASON}  # characters


class Train(BaseModel):
    """Train this order; the events of one order end with `Ended`."""

    model_config = _STRICT

    command: Literal["train"] = "train"
    order: TrainOrder


class Stop(BaseModel):
    """End the present training soon: keep the best weights and report `stopped`."""

    model_config = _STRICT

    command: Literal["stop"] = "stop"
    reason: str = ""


class Interrupt(BaseModel):
    """The worker shuts down: store a checkpoint of the training and report `interrupted`."""

    model_config = _STRICT

    command: Literal["interrupt"] = "interrupt"


Command = Annotated[Train | Stop | Interrupt, Field(discriminator="command")]


class Ready(BaseModel):
    """The trainer has imported torch and waits for an order."""

    model_config = _STRICT

    event: Literal["ready"] = "ready"
    device: str
    memory: int = 0  # bytes that a training may use there; 0: unknown


class Progress(BaseModel):
    """Optimiser steps so far; sent at least every second while steps are made."""

    model_config = _STRICT

    event: Literal["progress"] = "progress"
    step: int


class Reading(BaseModel):
    """Data are read before the first step; sent about every half second meanwhile."""

    model_config = _STRICT

    event: Literal["reading"] = "reading"


class EpochEnded(EpochMetrics):
    """One epoch has ended."""

    model_config = _STRICT

    event: Literal["epoch"] = "epoch"


class CheckpointStored(Checkpoint):
    """A checkpoint of the training is stored."""

    model_config = _STRICT

    event: Literal["checkpoint"] = "checkpoint"


class Interrupted(BaseModel):
    """The training has ended before its end, as requested; its last checkpoint was reported."""

    model_config = _STRICT

    event: Literal["interrupted"] = "interrupted"


class Ended(TrialOutcome):
    """The training has ended."""

    model_config = _STRICT

    event: Literal["ended"] = "ended"

    @field_validator("precision", "reason", mode="before")
    @classmethod
    def _cut(cls, text: str, field: ValidationInfo) -> str:
        """The text without its end where it is too long: a long error must not cost the result."""
        return text[: _LONGEST[field.field_name or ""]] if isinstance(text, str) else text


Event = Annotated[
    Ready | Reading | Progress | EpochEnded | CheckpointStored | Interrupted | Ended,
    Field(discriminator="event"),
]

COMMANDS: TypeAdapter[Command] = TypeAdapter(Command)
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

__all__ = [
    "COMMANDS",
    "EVENTS",
    "CheckpointStored",
    "Command",
    "Ended",
    "EpochEnded",
    "Event",
    "Interrupt",
    "Interrupted",
    "Progress",
    "Ready",
    "Stop",
    "Train",
]
