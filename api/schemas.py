"""The values that people send and see: bodies of the REST interface, shown on the dashboard."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
)

from api.operation_states import OperationKind, OperationStatus
from api.priorities import Priority
from api.roles import Role
from api.webhook_events import DeliveryStatus, WebhookEvent
from core.data.description import DatasetDescription
from core.protocol.contracts import (
    Bounds,
    Budget,
    Comparison,
    Cost,
    EpochLimit,
    SearchConfig,
    SecondsLimit,
    Training,
    TrialLimit,
)
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.search.comparison import sentence
from core.tasks import AbstractTask


def _clean(name: str) -> str:
    """The name in Unicode normal form; raises ValueError for control characters."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise ValueError("a name must not be empty")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in name):
        raise ValueError("a name must not contain control or unprintable characters")
    return re.sub(r"\s+", " ", name)


def _storable(text: str) -> str:
    """The text; refused where Postgres cannot store it. Forms come here without `RequestLimits`."""
    if re.search("[\x00\ud800-\udfff]", text):
        raise ValueError("a text must not contain NUL or half a surrogate pair")
    return text


ImageSide = Annotated[int, Field(ge=1, le=1024)]  # pixels
SplitSeed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_clean)]

Tag = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)]


class In(BaseModel):
    """A request body: unknown fields, NaN and Infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @classmethod
    def of(cls, *sources: object, **given: Any) -> Self:
        """The value of these fields; each other one is that of the first source that has it."""
        found = {
            name: getattr(source, name)
            for source in reversed(sources)
            for name in cls.model_fields
            if name not in given and hasattr(source, name)
        }
        return cls.model_validate(found | given)


# --- fields that several answers have --------------------------------------------------------

Value = Annotated[
    float,
    Field(
        description="metric on the validation split; `larger_is_better` of the search says which "
        "values are better"
    ),
]
ValueStd = Annotated[
    float | None, Field(description="standard error of the value; null if unknown")
]
MeasuresOut = Annotated[
    dict[str, float],
    BeforeValidator(lambda found: dict(found or {})),
    Field(
        description="further measures of the network by name, in the units of its data; empty "
        "where its task type has none"
    ),
]
Layers = Annotated[int, Field(description="nodes of the graph")]
Parameters = Annotated[int, Field(description="parameters of the network")]
Flops = Annotated[
    int, Field(description="FLOPs of one example, forward: two for each multiply-add")
]
Latency = Annotated[
    float | None, Field(description="measured seconds for one example; null if not measured")
]
Precision = Annotated[
    str | None, Field(description='how it was computed, such as "bf16 channels-last"')
]
Members = Annotated[
    list[int],
    Field(
        description="of an ensemble: numbers of its trials, the winner first; empty: it is no "
        "ensemble"
    ),
]
EnsembleWords = Annotated[
    str, Field(description='these in words: "an ensemble of trials 5, 7 and 9"; or empty')
]
ExportBytes = Annotated[
    int | None, Field(description="size of the exported file in bytes; null: there is none yet")
]
Shared = Annotated[
    bool, Field(description="whether all users of the service may read it; they change nothing")
]
CreatedAt = Annotated[datetime, Field(description="when it was created")]
StartedAt = Annotated[
    datetime | None, Field(description="when it was started; null: it was not yet")
]
EndedAt = Annotated[datetime | None, Field(description="when it ended; null: it has not yet")]
NextCursor = Annotated[
    str | None, Field(description="`cursor` of the next page; null: this is the last one")
]


# --- searches ---------------------------------------------------------------------------------


class SearchIn(SearchConfig):
    """`POST /v1/searches`: the configuration of a search and the data set it is for."""

    dataset: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_storable)] = Field(
        description="id or name of a data set, or the name of a built-in one"
    )
    name: Name | None = Field(
        default=None, description="name of the search; null: one is made from the data set's"
    )
    priority: Priority = Field(
        default=Priority.NORMAL,
        description="when its waiting trials are leased; only an admin may set `high` (403)",
    )


class RootOut(Out):
    """An architecture that a search would start from."""

    layers: Layers
    parameters: Parameters
    flops: Flops
    seconds: float = Field(description="expected seconds of its training on one usual thread")


class SearchPreview(Out):
    """What a search would be."""

    dataset_id: UUID = Field(description="id of the data set that the search would use")
    task: str = Field(description="task type, such as `image-classification`")
    bounds: Bounds = Field(
        description="largest architecture that it may suggest, as given or chosen"
    )
    roots: list[RootOut] = Field(description="architectures that it would start from")
    trial_seconds: float = Field(description="expected seconds of a trial after the roots")
    workers: int = Field(description="live workers that take trials: they neither drain nor rest")


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
    note: Annotated[str, Field(max_length=4000), AfterValidator(_storable)] | None = Field(
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
    measures: MeasuresOut = {}


class ComparisonOut(Comparison):
    """The final network compared with the winner it was trained on from, as data and in words."""

    text: str = Field(
        description='the comparison in words: "the final network has 91.20 % on 250 held-out '
        'examples, …"'
    )

    @classmethod
    def of(cls, kept: dict[str, Any] | None, task: AbstractTask) -> Self | None:
        """The comparison that a trial keeps; None where the worker did not compare them."""
        if kept is None:
            return None
        comparison = Comparison.model_validate(kept)
        return cls(**comparison.model_dump(), text=sentence(comparison, task))


class FinalOut(Out):
    """The result of the final fit."""

    trial_id: UUID = Field(description="id of the trial of the final fit")
    of_number: int = Field(description="number of the trial that was trained on")
    test_metric: float = Field(description="metric on the test split")
    test_loss: float = Field(description="loss on the test split")
    test_examples: int = Field(description="examples of the test split")
    test_measures: MeasuresOut = {}
    parameters: int | None = Field(
        description="parameters of the exported network; null if unknown"
    )
    latency: Latency
    members: Members
    ensemble: EnsembleWords
    export_bytes: ExportBytes
    precision: Precision
    comparison: ComparisonOut | None = Field(
        description="comparison with the winner that it was trained on from; null if there was none"
    )


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


# --- trials -----------------------------------------------------------------------------------


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
    measures: MeasuresOut = {}
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


class FrontPoint(Out):
    """A trial that no other beats in both value and cost."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    value: Value
    value_std: ValueStd
    parameters: Parameters
    flops: Flops
    latency: Latency


class FrontOut(Out):
    """The Pareto front of a search."""

    metric: str = Field(description="name of the metric that is optimised")
    cost: Cost = Field(description="field of the items that is minimised")
    items: list[FrontPoint] = Field(
        description="trials of the front; the cheapest, and so the worst, first"
    )


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


# --- data sets, workers, keys -----------------------------------------------------------------


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


class NetworkOut(Out):
    """An uploaded network that a search can start from."""

    id: UUID = Field(description="id of the network")
    name: str = Field(description="its name")
    input_shape: list[int] = Field(description="shape of one example, without the batch")
    outputs: int = Field(
        description="numbers that it computes for one example, such as one for each class"
    )
    layers: Layers
    parameters: Parameters
    flops: Flops
    bytes: int | None = Field(
        description="size of its weights in bytes; null: they start at random"
    )
    created_at: CreatedAt


class EnqueuedOut(Out):
    """A network that becomes a trial of a search, or is one."""

    search_id: UUID = Field(description="id of the search")
    network_id: UUID = Field(description="id of the network")
    trial_id: UUID | None = Field(
        description="id of its trial; null: it waits until a trial may start"
    )
    number: int | None = Field(description="number of its trial; null while it waits")


class TrialExportOut(Out):
    """The export of one trial: how far it is, and what its network reaches on the test split."""

    trial_id: UUID = Field(description="id of the trial whose network it is")
    search_id: UUID = Field(description="id of its search")
    number: int = Field(description="number of that trial")
    status: TrialStatus = Field(
        description="status of the export: its file is there once it is completed"
    )
    attempt: int = Field(description="how many times it was begun")
    reason: str = Field(description="why it waits or has failed; empty otherwise")
    export_bytes: ExportBytes
    test_metric: float | None = Field(
        description="metric on the test split; null until it is tested"
    )
    test_loss: float | None = Field(description="loss on the test split")
    test_examples: int | None = Field(description="examples of the test split")
    test_measures: MeasuresOut = {}
    created_at: CreatedAt
    started_at: StartedAt
    ended_at: EndedAt


class TrialExportPage(Out):
    """The exports of trials of a search."""

    items: list[TrialExportOut] = Field(description="exports in the order of their orders")


class QueuedOut(Out):
    """A network that waits for its trial."""

    network_id: UUID = Field(description="id of the network")
    name: str = Field(description="its name")
    created_at: datetime = Field(description="when it was enqueued")


class QueuePage(Out):
    """The networks that wait for their trials."""

    items: list[QueuedOut] = Field(description="networks in the order of their trials")


class NetworkPage(Out):
    """One page of a list of networks."""

    items: list[NetworkOut] = Field(description="networks of this page")
    next_cursor: NextCursor


class DatasetPage(Out):
    """One page of a list of data sets."""

    items: list[DatasetOut] = Field(description="data sets of this page")
    next_cursor: NextCursor


class OperationOut(Out):
    """An import that goes on after its request has been answered."""

    id: UUID = Field(description="id of the operation")
    kind: OperationKind = Field(description="what it does")
    name: str = Field(description="name of the data set")
    status: OperationStatus = Field(description="status of the operation")
    step: str = Field(description="what it does now, in words; or empty")
    dataset_id: UUID | None = Field(
        description="the data set, once it is stored; null: there is none, or it was deleted since"
    )
    problem: dict[str, Any] | None = Field(
        description="why it failed: the problem document (RFC 9457) that the request would have "
        "been answered with, or who has cancelled it; null: it has done neither"
    )
    created_at: CreatedAt
    ended_at: EndedAt


class OperationPage(Out):
    """One page of a list of operations."""

    items: list[OperationOut] = Field(description="operations of this page")
    next_cursor: NextCursor


class WebhookIn(In):
    """An address to which events of your searches are to be sent."""

    name: Name = Field(description="name of the webhook")
    url: HttpUrl = Field(
        description="address `https://…`; a private one is refused unless the service allows it"
    )
    events: list[WebhookEvent] = Field(
        min_length=1, max_length=len(WebhookEvent), description="events to report"
    )


class WebhookOut(Out):
    """An address to which events of your searches are sent."""

    id: UUID = Field(description="id of the webhook")
    name: str = Field(description="its name")
    url: str = Field(description="address that events are sent to")
    events: list[str] = Field(description="events that are reported")
    created_at: CreatedAt


class WebhookCreated(WebhookOut):
    """A new webhook with its secret."""

    secret: str = Field(description="key of the signatures, `whsec_…`; shown only once")


class WebhookPage(Out):
    """One page of a list of webhooks."""

    items: list[WebhookOut] = Field(description="webhooks of this page")
    next_cursor: NextCursor


class DeliveryOut(Out):
    """One event that was sent, or is to be sent, to a webhook."""

    id: UUID = Field(
        description="id of the delivery; its `webhook-id` is `msg_` and this id without hyphens"
    )
    webhook_id: UUID = Field(description="id of the webhook")
    event: str = Field(description="one of the webhook's events, or `ping`")
    data: dict[str, Any] = Field(description="what is sent about the event")
    status: DeliveryStatus = Field(description="status of the delivery")
    attempts: int = Field(description="how many times it was sent")
    answer: int | None = Field(
        description="HTTP status of the receiver's last answer; null: it gave none"
    )
    error: str = Field(description="why the last attempt failed; or empty")
    created_at: CreatedAt
    due_at: datetime = Field(description="when its next attempt is due, while it is pending")
    ended_at: EndedAt


class DeliveryPage(Out):
    """One page of a list of deliveries."""

    items: list[DeliveryOut] = Field(description="deliveries of this page")
    next_cursor: NextCursor


class WorkerOut(Out):
    """A worker: its device, and what it does."""

    id: UUID = Field(description="id of the worker")
    name: str = Field(description="its name")
    device: str = Field(description="`cpu`, or the name of its GPU")
    threads: int = Field(description="threads that a training uses")
    memory: int = Field(description="bytes that a training may use there; 0: unknown")
    memory_exceeded: int | None = Field(
        description="least estimated bytes of a training that ran out of memory on a device of "
        "this kind; null: none did"
    )
    memory_fitted: int | None = Field(
        description="most estimated bytes of a training that succeeded there since one ran out; "
        "null: none did"
    )
    seen_at: datetime = Field(description="when it was last heard of")
    draining: bool = Field(description="whether it gets no more trials")
    problem: str = Field(
        description="why it last had to rest, such as storage that it cannot read; or empty"
    )
    resting_until: datetime | None = Field(
        description="until when it gets no trials; null: it does not rest"
    )
    trial_id: UUID | None = Field(
        description="id of the trial that it trains; null: none that the caller may read"
    )
    precision: Precision = Field(
        description='how it computed its latest training, such as "bf16 channels-last", among '
        "those that the caller may read; null: there is none"
    )
    samples_per_second: float | None = Field(
        description="median of the training examples per second of those among its latest 20 "
        "trials; null: there is none"
    )


class WorkerProblem(Out):
    """An attempt that failed at a worker."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    kind: TrialKind = Field(description="purpose of the trial")
    search_id: UUID = Field(description="id of its search")
    search_name: str = Field(description="name of its search")
    attempt: int = Field(description="number of the attempt")
    reason: str = Field(description="why it failed, or that the worker fell silent")
    tried_again: bool = Field(description="whether the trial was tried again")
    ended_at: datetime = Field(description="when the attempt ended")


class WorkerDay(Out):
    """The last day of a worker: the trials that the caller may read."""

    completed: int = Field(description="trials that it completed")
    failed: int = Field(
        description="attempts that failed, or of which nothing more was heard, tried again or not"
    )
    problems: list[WorkerProblem] = Field(description="the latest 10 of these attempts")


class WorkerDetail(WorkerOut):
    """A worker with what happened there within the last day."""

    last_day: WorkerDay = Field(description="its last day")


class WorkerTrial(Out):
    """A trial that ended at a worker."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    kind: TrialKind = Field(description="purpose of the trial")
    search_id: UUID = Field(description="id of its search")
    search_name: str = Field(description="name of its search")
    status: TrialStatus = Field(description="status of the trial")
    attempt: int = Field(description="number of its last attempt")
    reason: str = Field(description="why it ended as it did; may be empty")
    precision: Precision
    seconds: float | None = Field(description="seconds of training; null if unknown")
    samples_per_second: float | None = Field(description="training examples per second")
    started_at: StartedAt
    ended_at: datetime = Field(description="when it ended")


class WorkerTrialPage(Out):
    """One page of the trials of a worker."""

    items: list[WorkerTrial] = Field(description="trials of this page, the latest first")
    next_cursor: NextCursor


class WorkerPage(Out):
    """The workers of the last day."""

    items: list[WorkerOut] = Field(description="workers")


class QueueStatsOut(Out):
    """The queue in numbers: trials of the caller, of everybody for an admin."""

    waiting: int = Field(description="trials that a worker could take now")
    running: int = Field(description="trials that workers train")
    workers_needed: int = Field(description="both together, as one worker trains one trial")
    oldest_wait: float = Field(
        description="seconds that the first waiting trial has been ready for a worker; 0: none "
        "waits"
    )
    live_workers: dict[str, int] = Field(
        description="number of workers of all users, heard of within the last minute, by device"
    )


class AmountOut(Out):
    """A number of files and their size."""

    blobs: int = Field(description="number of files")
    bytes: int = Field(description="their size in bytes")


class GarbageOut(Out):
    """What has no use in storage any more."""

    superseded: AmountOut = Field(description="weights of ended searches beyond the best trials")
    orphans: AmountOut = Field(description="files to which nothing refers")
    discarded: AmountOut = Field(
        description="files that are given up already, and removed after their grace time"
    )


class CollectionIn(In):
    """How to collect garbage."""

    dry_run: bool = Field(default=False, description="whether only to say what would be given up")


class KeyIn(In):
    """The key to create."""

    name: Name = Field(description="name of the key")
    role: Role = Field(default=Role.USER, description="what the key may do")
    expires_at: AwareDatetime | None = Field(
        default=None,
        le=datetime(2200, 1, 1, tzinfo=UTC),
        description="time, with its zone, from which the key opens nothing; null: never",
    )
    worker: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="of a worker's key: the only worker name that may use it; null: any",
    )


class RotateIn(In):
    """How to rotate a key."""

    grace_seconds: float = Field(
        default=0,
        ge=0,
        le=7 * 86_400,
        strict=True,
        description="seconds for which the old secret still opens",
    )


class KeyOut(Out):
    """An API key without its secret."""

    id: UUID = Field(description="id of the key")
    name: str = Field(description="its name")
    role: Role = Field(description="what it may do")
    prefix: str = Field(description="its first characters, to recognise it")
    created_at: CreatedAt
    last_used_at: datetime | None = Field(description="when it was last used; null: never")
    revoked_at: datetime | None = Field(description="when it was revoked; null: it was not")
    expires_at: datetime | None = Field(description="from when it opens nothing; null: never")
    worker: str | None = Field(description="the only worker name that may use it; null: any")


class KeyCreated(KeyOut):
    """An API key with its secret."""

    key: str = Field(description="the secret, `netmorph_…`; shown only once")


class KeyPage(Out):
    """All API keys."""

    items: list[KeyOut] = Field(description="keys")
