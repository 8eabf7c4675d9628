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

from api.roles import Role
from api.webhook_events import DeliveryStatus, WebhookEvent
from core.data.description import DatasetDescription
from core.protocol.contracts import Bounds, Budget, Comparison, Cost, SearchConfig, Training
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


#: Further measures of a network in the units of its data; empty where its task type has none.
MeasuresOut = Annotated[dict[str, float], BeforeValidator(lambda found: dict(found or {}))]
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


# --- searches ---------------------------------------------------------------------------------


class SearchIn(SearchConfig):
    """`POST /v1/searches`: the configuration of a search and the data set it is for."""

    #: The id or name of a data set, or the name of a built-in one.
    dataset: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_storable)]
    name: Name | None = None


class RootOut(Out):
    """An architecture that a search would start from."""

    layers: int
    parameters: int
    flops: int  # of one example, forward
    seconds: float  # expected, of its training on one usual thread


class SearchPreview(Out):
    """What a search would be."""

    dataset_id: UUID
    task: str
    bounds: Bounds  # as given or chosen
    roots: list[RootOut]
    trial_seconds: float  # expected, of a trial after the roots
    workers: int  # alive at present


class LimitsIn(In):
    """`POST /v1/searches/{id}:extend`: the new limits in full; those left out stay as they are."""

    trials: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    epochs: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    seconds: float | None = Field(default=None, ge=10, le=30 * 86_400)  # final fit included
    parallelism: int | None = Field(default=None, ge=1, le=1024, strict=True)  # trials in flight


class SearchPatch(In):
    """`PATCH /v1/searches/{id}`: what is left out stays as it is."""

    name: Name | None = None
    tags: Annotated[list[Tag], Field(max_length=32)] | None = None  # all of them
    note: Annotated[str, Field(max_length=4000), AfterValidator(_storable)] | None = None
    shared: bool | None = None  # whether all users of the service may read it


class DatasetRef(Out):
    id: UUID
    name: str


class OwnerRef(Out):
    """The key that a search was created with."""

    id: UUID
    name: str


class Used(Out):
    """The part of its budget that a search has spent."""

    trials: int  # ended ones, without the final fit
    epochs: int
    seconds: float  # since it started, pauses included


class Best(Out):
    """The trial with the best value so far."""

    trial_id: UUID
    number: int
    value: float
    value_std: float | None
    parameters: int | None
    measures: MeasuresOut = {}


class ComparisonOut(Comparison):
    """The final network compared with the winner it was trained on from, as data and in words."""

    text: str  # "the final network has 91.20 % on 250 held-out examples, ..."

    @classmethod
    def of(cls, kept: dict[str, Any] | None, task: AbstractTask) -> Self | None:
        """The comparison that a trial keeps; None where the worker did not compare them."""
        if kept is None:
            return None
        comparison = Comparison.model_validate(kept)
        return cls(**comparison.model_dump(), text=sentence(comparison, task))


class FinalOut(Out):
    """The result of the final fit."""

    trial_id: UUID
    of_number: int  # number of the trial that was trained on
    test_metric: float
    test_loss: float
    test_examples: int
    test_measures: MeasuresOut = {}
    parameters: int | None  # of the exported network
    latency: float | None  # of the exported network, measured seconds for one example
    members: list[int]  # numbers of the trials of an ensemble; empty: it is no ensemble
    ensemble: str  # in words: "an ensemble of trials 5, 7 and 9"; or empty
    export_bytes: int | None
    precision: str | None  # how it was computed: "bf16 channels-last"
    comparison: ComparisonOut | None


class SearchOut(Out):
    id: UUID
    name: str
    tags: list[str]  # in order, each once
    note: str
    owner: OwnerRef
    shared: bool  # whether all users of the service may read it; they change nothing
    dataset: DatasetRef
    task: str
    strategy: str
    strategy_options: dict[str, float | str | bool]
    metric: str  # its name, "accuracy"
    in_percent: bool = True  # whether people read it as a percentage
    larger_is_better: bool = True
    cost: Cost | None  # minimised beside the metric
    status: SearchStatus
    reason: str  # why it failed or was stopped; empty otherwise
    budget: Budget
    parallelism: int
    seed: int
    training: Training
    bounds: Bounds
    root: UUID | None  # the uploaded network that it starts from
    keep_accuracy: bool = False  # it looks for less cost at the root's accuracy
    int8: bool = False  # its export also has an ONNX file of eight bits
    kept: str = ""  # which network keeps it, in words; empty until the final fit is made
    root_name: str | None = None  # that of this network
    version: int  # raised by every change
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    now: datetime  # the database's clock, to compute the remaining time
    used: Used
    trial_counts: dict[TrialStatus, int]  # search trials by status, without zeros
    trials_inherited: int  # completed trials that started from a parent's weights
    #: The share of all seconds of training that went into the exported network, from 0 to 1: those
    #: of its trial and of each trial whose weights it inherited; None while nothing is exported.
    compute_in_winner: float | None
    best: Best | None
    final: FinalOut | None
    #: Estimated until the export, final fit included. None in lists, while nothing is known, and
    #: unless the search is running or finishing.
    seconds_left: float | None = None


class SearchPage(Out):
    items: list[SearchOut]
    next_cursor: str | None


# --- trials -----------------------------------------------------------------------------------


class MorphismOut(Out):
    """One step from parent to child, as data and in words."""

    kind: str
    text: str  # "widen convolution 3 from 16 to 32 filters"
    data: dict[str, Any]


class TrialOut(Out):
    id: UUID
    search_id: UUID
    number: int
    kind: TrialKind
    status: TrialStatus
    attempt: int
    reason: str
    network_id: UUID | None  # the uploaded network that a user has enqueued as this trial
    parent_id: UUID | None
    parent_number: int | None
    morphisms: list[MorphismOut]  # empty: it continues its parent's training, or has no parent
    choices: dict[str, Any]  # hyperparameters that the search changed in its lineage
    changes: str  # in words: "augmentation warp, mixing 0.2"; or empty
    members: list[int]  # final fit of an ensemble: numbers of its trials, the winner first
    ensemble: str  # in words: "an ensemble of trials 5, 7 and 9"; or empty
    inherited: bool  # started from the parent's weights, or an ancestor's: see `remark`
    remark: str  # where it started in place of its parent's damaged weights, in words; or empty
    fingerprint: str
    layers: int
    parameters: int
    flops: int
    predicted_mean: float | None
    predicted_std: float | None
    value: float | None
    value_std: float | None
    validation_loss: float | None  # of the weights that the value belongs to
    measures: MeasuresOut = {}  # likewise
    precision: str | None  # how it was computed: "bf16 channels-last"
    comparison: ComparisonOut | None  # final fit only
    epochs: int
    best_epoch: int | None
    step: int | None  # optimiser steps, while running
    seconds: float | None
    samples_per_second: float | None  # while training
    latency: float | None  # measured seconds for one example
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class FrontPoint(Out):
    """A trial that no other beats in both value and cost."""

    trial_id: UUID
    number: int
    value: float
    value_std: float | None
    parameters: int
    flops: int
    latency: float | None  # measured seconds for one example


class FrontOut(Out):
    metric: str
    cost: Cost  # the field of the items that is minimised
    items: list[FrontPoint]  # the cheapest, and so the worst, first


class TrialDetail(TrialOut):
    architecture: dict[str, Any]  # canonical JSON
    parent_architecture: dict[str, Any] | None
    hyperparameters: dict[str, Any] | None


class TrialPage(Out):
    items: list[TrialOut]
    next_cursor: str | None


class EpochOut(Out):
    trial_id: UUID
    attempt: int
    epoch: int
    train_loss: float | None
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float | None
    seconds: float


class EpochPage(Out):
    items: list[EpochOut]
    next_cursor: str | None


# --- data sets, workers, keys -----------------------------------------------------------------


class DatasetOut(Out):
    id: UUID
    name: str
    version: int  # other content under the same name is the next version
    builtin: bool
    task: str
    input_shape: list[int]
    classes: int
    class_names: list[str]
    target_names: list[str] = []  # of the numbers to predict, where no class is
    train_examples: int
    test_examples: int
    layout: str | None  # axes of the examples as they came; None: imported by an older release
    bytes: int
    created_at: datetime
    uploaded_at: datetime  # the last time; the name means the version that was uploaded last
    description: DatasetDescription | None  # None: imported by an older release


class IntakeOut(Out):
    """What data sets may be, for people and programs to know before an upload."""

    max_upload_bytes: int
    formats: dict[str, str]  # by kind: what the files hold
    tasks: list[str] = []  # what labels may be taken for
    layouts: list[str]  # how axes are understood
    image_side: int  # largest side of images from files, in pixels, unless the upload gives another
    builtins: list[str]  # names of data sets that need no upload


class NetworkOut(Out):
    """An uploaded network that a search can start from."""

    id: UUID
    name: str
    input_shape: list[int]
    outputs: int  # one for each class
    layers: int
    parameters: int
    flops: int
    bytes: int | None  # of its weights; None: they start at random
    created_at: datetime


class EnqueuedOut(Out):
    """A network that becomes a trial of a search, or is one."""

    search_id: UUID
    network_id: UUID
    trial_id: UUID | None  # None: it waits until a trial may start
    number: int | None  # of the trial


class TrialExportOut(Out):
    """The export of one trial: how far it is, and what its network reaches on the test split."""

    trial_id: UUID  # the trial whose network it is
    search_id: UUID
    number: int  # of that trial
    status: TrialStatus  # of the export: its file is there once it is completed
    attempt: int
    reason: str  # why it waits or has failed
    export_bytes: int | None
    test_metric: float | None
    test_loss: float | None
    test_examples: int | None
    test_measures: MeasuresOut = {}
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class QueuedOut(Out):
    """A network that waits for its trial."""

    network_id: UUID
    name: str
    created_at: datetime  # when it was enqueued


class QueuePage(Out):
    items: list[QueuedOut]


class NetworkPage(Out):
    items: list[NetworkOut]
    next_cursor: str | None


class DatasetPage(Out):
    items: list[DatasetOut]
    next_cursor: str | None


class WebhookIn(In):
    name: Name
    url: HttpUrl  # `https://…`; no private address, unless allowed
    #: Events to report.
    events: list[WebhookEvent] = Field(min_length=1, max_length=len(WebhookEvent))


class WebhookOut(Out):
    """An address to which events of your searches are sent."""

    id: UUID
    name: str
    url: str
    events: list[str]
    created_at: datetime


class WebhookCreated(WebhookOut):
    secret: str  # "whsec_…", the key of the signatures; shown only once


class WebhookPage(Out):
    items: list[WebhookOut]
    next_cursor: str | None


class DeliveryOut(Out):
    """One event that was sent, or is to be sent, to a webhook."""

    id: UUID
    webhook_id: UUID
    event: str  # one of the webhook's, or "ping"
    data: dict[str, Any]
    status: DeliveryStatus
    attempts: int
    answer: int | None  # status of the receiver's last answer
    error: str  # of the last attempt
    created_at: datetime
    due_at: datetime  # of its next attempt, while it is pending
    ended_at: datetime | None


class DeliveryPage(Out):
    items: list[DeliveryOut]
    next_cursor: str | None


class WorkerOut(Out):
    id: UUID
    name: str
    device: str
    threads: int
    memory: int  # bytes that a training may use there; 0: unknown
    #: The least estimated training memory that ran out on a device of this kind, if any did.
    memory_exceeded: int | None
    memory_fitted: int | None  # the most that was trained there since one ran out
    seen_at: datetime
    draining: bool  # it gets no more trials
    problem: str  # why it last had to rest, such as storage that it cannot read
    resting_until: datetime | None  # it gets no trials until then
    trial_id: UUID | None  # the trial that it trains


class WorkerPage(Out):
    items: list[WorkerOut]


class QueueStatsOut(Out):
    """The queue in numbers: trials of the caller, of everybody for an admin."""

    waiting: int  # trials that a worker could take now
    running: int  # trials that workers train
    workers_needed: int  # both together, as one worker trains one trial
    oldest_wait: float  # seconds that the first waiting trial has been ready for a worker; else 0
    live_workers: dict[str, int]  # of all users, by device: heard of within the last minute


class AmountOut(Out):
    blobs: int
    bytes: int


class GarbageOut(Out):
    superseded: AmountOut  # weights of ended searches beyond the best trials
    orphans: AmountOut  # files to which nothing refers
    discarded: AmountOut  # given up already, and removed after their grace time


class CollectionIn(In):
    dry_run: bool = False  # only say what would be given up


class KeyIn(In):
    name: Name
    role: Role = Role.USER
    #: From then on it opens nothing.
    expires_at: AwareDatetime | None = Field(default=None, le=datetime(2200, 1, 1, tzinfo=UTC))
    #: Of a worker's key: the only worker name that may use it.
    worker: str | None = Field(default=None, min_length=1, max_length=128)


class RotateIn(In):
    #: For which the old secret opens.
    grace_seconds: float = Field(default=0, ge=0, le=7 * 86_400, strict=True)


class KeyOut(Out):
    id: UUID
    name: str
    role: Role
    prefix: str  # its first characters, to recognise it
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    worker: str | None  # the only worker name that may use it


class KeyCreated(KeyOut):
    key: str  # shown only once


class KeyPage(Out):
    items: list[KeyOut]
