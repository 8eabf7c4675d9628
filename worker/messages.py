"""What the supervisor and its trainer process say to each other: JSON lines over pipes.

The supervisor writes `Command` lines to the trainer's stdin; the trainer writes `Event` lines to
the file descriptor that was its stdout (prints of libraries go to stderr). End of file on stdin
ends the trainer.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from core.protocol.contracts import (
    BlobRef,
    Comparison,
    Finite,
    Positive,
    Seconds,
    TestMetrics,
    TrainOrder,
)
from core.protocol.states import TrialStatus


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Train(_Line):
    """Train this order; the events of one order end with `Ended`."""

    command: Literal["train"] = "train"
    order: TrainOrder


class Stop(_Line):
    """End the present training soon: keep the best weights and report `stopped`."""

    command: Literal["stop"] = "stop"
    reason: str = ""


Command = Annotated[Train | Stop, Field(discriminator="command")]


class Ready(_Line):
    """The trainer has imported torch and waits for an order."""

    event: Literal["ready"] = "ready"
    device: str


class Progress(_Line):
    """Optimiser steps so far; sent at least every second while steps are made."""

    event: Literal["progress"] = "progress"
    step: int


class EpochEnded(_Line):
    """The metrics of one finished epoch."""

    event: Literal["epoch"] = "epoch"
    epoch: int
    train_loss: Finite | None = None
    validation_loss: Finite | None = None
    validation_metric: Finite | None = None
    learning_rate: Finite | None = None
    seconds: Seconds


class Ended(_Line):
    """How the training ended; the fields are those of `core.protocol.contracts.TrialResult`."""

    event: Literal["ended"] = "ended"
    status: TrialStatus  # completed, stopped, infeasible or failed
    value: Finite | None = None
    value_std: Finite | None = None
    validation_loss: Finite | None = None
    value_at_rung: Finite | None = None
    precision: str = ""
    reason: str = ""
    retry: bool = True
    weights: BlobRef | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: Seconds = 0.0
    samples_per_second: Finite | None = None
    latency: Positive | None = None
    parameters: int | None = None
    test: TestMetrics | None = None
    export: BlobRef | None = None
    comparison: Comparison | None = None


Event = Annotated[Ready | Progress | EpochEnded | Ended, Field(discriminator="event")]

COMMANDS: TypeAdapter[Command] = TypeAdapter(Command)
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

__all__ = [
    "COMMANDS",
    "EVENTS",
    "Command",
    "Ended",
    "EpochEnded",
    "Event",
    "Progress",
    "Ready",
    "Stop",
    "Train",
]
