"""Trials, and the steps from their parents."""

from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import (
    CreatedAt,
    EndedAt,
    EnsembleWords,
    Flops,
    Latency,
    Layers,
    MeasuresOut,
    Members,
    NextCursor,
    Parameters,
    Precision,
    StartedAt,
    Value,
    ValueStd,
)
from api.schemas.final_fits import ComparisonOut
from core.protocol.states import TrialKind, TrialStatus


class MorphismOut(Out):
    """One step from parent to child, as data and in words."""

    kind: str = Field(description="kind of the morphism, such as `widen`")
    text: str = Field(description='the step in words: "widen convolution 3 from 16 to 32 filters"')
    data: dict[str, Any] = Field(description="the step as data; its fields depend on the kind")


class TrialOut(Out):
    """A trial: one architecture, how it was trained, and what it has reached."""

    id: UUID = Field(description="id of the trial")
    search_id: UUID = Field(description="id of its search")
    number: int = Field(description="number within the search")
    kind: TrialKind = Field(description="purpose of the trial")
    status: TrialStatus = Field(description="status of the trial")
    attempt: int = Field(description="how many times its training was begun")
    reason: str = Field(description="why it ended as it did, or waits again; may be empty")
    network_id: UUID | None = Field(
        description="id of the uploaded network that a user has enqueued as this trial; else null"
    )
    parent_id: UUID | None = Field(description="id of the trial that it descends from; null: none")
    parent_number: int | None = Field(description="number of that trial")
    morphisms: list[MorphismOut] = Field(
        description="steps from the parent's architecture to this one; empty: it continues its "
        "parent's training, or has no parent"
    )
    choices: dict[str, Any] = Field(
        description="hyperparameters that the search changed in its lineage, by name"
    )
    changes: str = Field(description='these in words: "augmentation warp, mixing 0.2"; or empty')
    members: Members
    ensemble: EnsembleWords
    inherited: bool = Field(
        description="whether it started from weights of its parent or another ancestor; see "
        "`remark`"
    )
    remark: str = Field(
        description="where it started in place of its parent's damaged weights, in words; or empty"
    )
    fingerprint: str = Field(
        description="hash of the architecture; equal architectures have the same"
    )
    layers: Layers
    parameters: Parameters
    flops: Flops
    predicted_mean: float | None = Field(
        description="value that the surrogate predicted before the training; null if it made no "
        "prediction"
    )
    predicted_std: float | None = Field(description="standard deviation of this prediction")
    value: Value | None = Field(
        description="metric on the validation split; null while there is none"
    )
    value_std: ValueStd
    validation_loss: float | None = Field(
        description="validation loss of the weights that the value belongs to"
    )
    measures: MeasuresOut = Field(default={})
    precision: Precision
    comparison: ComparisonOut | None = Field(
        description="of a final fit: its network compared with the winner that it was trained "
        "on from"
    )
    epochs: int = Field(description="epochs that it was trained for, in its latest attempt")
    best_epoch: int | None = Field(
        description="epoch that the value belongs to; null while there is none"
    )
    step: int | None = Field(description="optimiser steps so far, while it is running")
    seconds: float | None = Field(description="seconds of training; null while unknown")
    samples_per_second: float | None = Field(description="training examples per second")
    latency: Latency
    worker: str | None = Field(
        description="name of the worker that trains it, or trained it last; null: none yet"
    )
    worker_id: UUID | None = Field(
        description="id of this worker, which `/v1/workers` knows until it is silent for a day"
    )
    created_at: CreatedAt
    started_at: StartedAt
    ended_at: EndedAt


class TrialDetail(TrialOut):
    """A trial with its architecture and its hyperparameters."""

    architecture: dict[str, Any] = Field(description="its architecture as canonical JSON")
    parent_architecture: dict[str, Any] | None = Field(
        description="that of its parent; null: it has no parent"
    )
    hyperparameters: dict[str, Any] | None = Field(
        description="how it is trained; null until that is decided"
    )


class TrialPage(Out):
    """One page of a list of trials."""

    items: list[TrialOut] = Field(description="trials of this page")
    next_cursor: NextCursor
