"""Searches as they are, and what can be changed of them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from api.priorities import Priority
from api.schemas.bodies import In, Out
from api.schemas.fields import (
    CreatedAt,
    EndedAt,
    MeasuresOut,
    NextCursor,
    Shared,
    StartedAt,
    Value,
    ValueStd,
)
from api.schemas.final_fits import FinalOut
from api.schemas.texts import Name, Tag, storable
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget, EpochLimit, SecondsLimit, TrialLimit
from core.protocol.contracts.search_config import Cost
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialStatus


class LimitsIn(In):
    """`POST /v1/searches/{id}:extend`: the new limits in full, the priority; others stay."""

    trials: TrialLimit = None
    epochs: EpochLimit = None
    seconds: SecondsLimit = None
    parallelism: int | None = Field(
        default=None, ge=1, le=1024, strict=True, description="trials in flight"
    )
    priority: Priority | None = Field(
        default=None,
        description="when its waiting trials are leased; only an admin may set `high` (403)",
    )


class SearchPatch(In):
    """`PATCH /v1/searches/{id}`: what is left out stays as it is."""

    name: Name | None = Field(default=None, description="new name")
    tags: Annotated[list[Tag], Field(max_length=32)] | None = Field(
        default=None, description="all tags that the search is to have"
    )
    note: Annotated[str, Field(max_length=4000), AfterValidator(storable)] | None = Field(
        default=None, description="new note, plain text"
    )
    shared: bool | None = Field(
        default=None, description="whether all users of the service may read it"
    )


class DatasetRef(Out):
    """The data set of a search."""

    id: UUID = Field(description="id of the data set")
    name: str = Field(description="its name")


class OwnerRef(Out):
    """The key that a search was created with."""

    id: UUID = Field(description="id of the key")
    name: str = Field(description="its name")


class Used(Out):
    """The part of its budget that a search has spent."""

    trials: int = Field(description="trials that have ended, without the final fit")
    epochs: int = Field(description="epochs of all trials together")
    seconds: float = Field(description="seconds since the search started, pauses included")


class Best(Out):
    """The trial with the best value so far."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    value: Value
    value_std: ValueStd
    parameters: int | None = Field(description="parameters of its network; null if unknown")
    measures: MeasuresOut = Field(default={})


class SearchOut(Out):
    """A search: what it was asked for, how far it is, and what it has found."""

    id: UUID = Field(description="id of the search")
    name: str = Field(description="its name")
    tags: list[str] = Field(description="its tags in alphabetical order, each once")
    note: str = Field(description="note of its owner, plain text")
    owner: OwnerRef = Field(description="key that it was created with")
    shared: Shared
    dataset: DatasetRef = Field(description="data set that it is for")
    task: str = Field(description="task type, such as `image-classification`")
    strategy: str = Field(description="how it searches, such as `bayesian`")
    strategy_options: dict[str, float | str | bool] = Field(
        description="options of the strategy by name; those left out have their defaults"
    )
    metric: str = Field(description="name of the metric that is optimised, such as `accuracy`")
    in_percent: bool = Field(
        default=True, description="whether people read the metric as a percentage"
    )
    larger_is_better: bool = Field(
        default=True, description="whether a larger value of the metric is better"
    )
    cost: Cost | None = Field(
        description="what is minimised beside the metric; null: the metric alone"
    )
    status: SearchStatus = Field(description="status of the search")
    reason: str = Field(description="why it failed or was stopped; empty otherwise")
    budget: Budget = Field(description="what it may spend")
    parallelism: int = Field(description="most trials in flight at a time")
    priority: Priority = Field(
        default=Priority.NORMAL, description="when its waiting trials are leased"
    )
    seed: int = Field(description="seed of all its random choices")
    training: Training = Field(description="how trials are trained, as it was given")
    bounds: Bounds = Field(description="largest architecture that it may suggest")
    root: UUID | None = Field(
        description="id of the uploaded network that it starts from; null: chosen for the data"
    )
    keep_accuracy: bool = Field(
        default=False, description="whether it looks for less cost at the root's accuracy"
    )
    int8: bool = Field(
        default=False, description="whether its export also has an ONNX file of eight bits"
    )
    kept: str = Field(
        default="",
        description="which network keeps the root's accuracy, in words; empty until the final "
        "fit is made",
    )
    root_name: str | None = Field(
        default=None, description="name of the uploaded network that it starts from"
    )
    version: int = Field(
        description="version of this object, raised by every change; also its ETag"
    )
    created_at: CreatedAt
    started_at: StartedAt
    ended_at: EndedAt
    now: datetime = Field(description="time on the database's clock, to compute the remaining time")
    used: Used = Field(description="part of the budget that it has spent")
    trial_counts: dict[TrialStatus, int] = Field(
        description="number of trials by status, without the final fit; zeros are left out"
    )
    trials_inherited: int = Field(
        description="completed trials that started from a parent's weights"
    )
    compute_in_winner: float | None = Field(
        description="share of all seconds of training that went into the exported network, from "
        "0 to 1: those of its trial and of each trial whose weights it inherited; "
        "null while nothing is exported"
    )
    best: Best | None = Field(
        description="trial with the best value so far; null while there is none"
    )
    final: FinalOut | None = Field(description="result of the final fit; null while there is none")
    seconds_left: float | None = Field(
        default=None,
        description="estimated seconds until the export, the final fit included; null in lists, "
        "while nothing is known, and unless the search is running or finishing",
    )


class SearchPage(Out):
    """One page of a list of searches."""

    items: list[SearchOut] = Field(description="searches of this page")
    next_cursor: NextCursor
