"""The messages between the controller and the workers, and the configuration of a search.

Fields may be added here, optional with a default; none is renamed or removed. Readers ignore
fields they do not know, so that an older and a newer release understand each other; the golden
messages under `tests/assets/contracts/` must load in every later release. No number in a message is
NaN or infinite.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.protocol.states import TrialKind, TrialStatus

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
JsonObject = dict[str, Any]
#: Further measures of a network by name, in the unit of the user's data: {"RMSE": 54.3}.
Measures = dict[Annotated[str, Field(max_length=64)], Finite]
MOST_MEASURES = 64
LONGEST_PRECISION = 64  # characters
LONGEST_REASON = 2000  # characters
Augmentation = Literal["auto", "none", "shift", "shift-flip", "affine", "affine-flip", "warp"]


#: "balanced": an example counts in inverse proportion to the examples of its class.
ClassWeights = Literal["balanced"]


class Message(BaseModel):
    """A frozen message between controller and worker; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Config(BaseModel):
    """A frozen part of a search's configuration, given by a user: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# --- what a user configures -------------------------------------------------------------------


class Budget(Config):
    """What a search may spend; it ends when the first of these is used up."""

    trials: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    epochs: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    seconds: float | None = Field(default=None, ge=10, le=30 * 86_400)  # final fit included

    @model_validator(mode="after")
    def _one_is_given(self) -> "Budget":
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("a budget needs at least one of trials, epochs, seconds")
        return self


class Bounds(Config):
    """The largest architecture that a search may suggest."""

    layers: int = Field(default=120, ge=4, le=500)  # nodes of the graph
    width: int = Field(default=512, ge=8, le=8192)  # filters or units of one layer
    parameters: int = Field(default=5_000_000, ge=100, le=2_000_000_000)
    flops: int | None = Field(default=None, ge=1_000)  # multiply-adds × 2 of one example, forward
    memory: int | None = Field(default=None, ge=1_000_000)  # bytes while training one batch
    latency: float | None = Field(default=None, ge=1e-6, le=60)  # seconds for one example


class Cost(StrEnum):
    """A cost that a search can minimise alongside the metric; the result is a Pareto front."""

    PARAMETERS = "parameters"
    FLOPS = "flops"  # of one example, forward
    LATENCY = "latency"  # seconds for one example, as the workers measure it


class Optimiser(StrEnum):
    SGD = "sgd"
    ADAMW = "adamw"
    MUON = "muon"  # for matrices and kernels; AdamW for the other parameters


class Training(Config):
    """How trials are trained; omitted fields are chosen for the data and the budget."""

    epochs: int | None = Field(default=None, ge=1, le=10_000)  # of one trial
    final_epochs: int | None = Field(default=None, ge=1, le=10_000)  # of the final fit
    final_weights: Literal["inherited", "fresh"] = "inherited"  # at the start of the final fit
    trial_seconds: float | None = Field(default=None, ge=1, le=7 * 86_400)
    batch_size: int | None = Field(default=None, ge=2, le=8192)
    optimiser: Optimiser | None = None
    learning_rate: float | None = Field(default=None, gt=0, le=10)
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    augmentation: Augmentation = "auto"
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    erasing: float | None = Field(default=None, ge=0, le=0.9)  # see Hyperparameters, as below
    mixing: float | None = Field(default=None, ge=0, le=10)
    alternatives: int | None = Field(default=None, ge=0, le=8)  # training choices tried
    splits: int | None = Field(default=None, ge=1, le=5)  # on which the first trials are repeated
    #: Of validation splits; by default that of the search.
    split_seed: int | None = Field(default=None, ge=0, le=2**31 - 1, strict=True)
    patience: int | None = Field(default=None, ge=1, le=10_000)  # epochs without improvement
    validation_fraction: float | None = Field(default=None, ge=0.02, le=0.5)
    morph_noise: float = Field(default=0.0, ge=0, le=1)
    ensemble: int | None = Field(default=None, ge=1, le=8, strict=True)  # networks exported as one
    class_weights: ClassWeights | None = None  # of examples in the loss; None: each counts equally


class SearchConfig(Config):
    """Everything that determines a search, beside its data set."""

    task: str = Field(default="image-classification", max_length=64)
    metric: str | None = Field(default=None, max_length=64)  # None: the task type's default
    strategy: str = Field(default="bayesian", max_length=64)
    strategy_options: dict[str, Finite | str | bool] = Field(default_factory=dict, max_length=32)
    cost: Cost | None = None  # minimised alongside the metric; None: the metric alone
    budget: Budget
    parallelism: int = Field(default=1, ge=1, le=1024, strict=True)  # trials in flight
    seed: int = Field(default=0, ge=0, le=2**31 - 1, strict=True)
    training: Training = Training()
    bounds: Bounds | None = None  # omitted fields are chosen for the data and the budget
    root: UUID | None = None  # an uploaded network to start from; None: chosen for the data
    #: Look for less `cost` (by default parameters) at the accuracy of the root, within noise; None
    #: is the same as False, and is not stored, so that an older release can read it.
    keep_accuracy: bool | None = None
    #: Whether the export also has an ONNX file of eight bits; None as above.
    int8: bool | None = None


class TrainingChoices(Message):
    """Changes by a search to the training of a lineage; None: as chosen for the data."""

    augmentation: str | None = None
    mixing: Finite | None = None
    erasing: Finite | None = None
    weight_decay: Finite | None = None
    split_seed: int | None = None  # of a repeated trial: see `core.search.repeats`

    @property
    def changes(self) -> dict[str, str | float]:
        """The changed hyperparameters by name."""
        return self.model_dump(exclude_none=True)

    def with_changes(self, other: "TrainingChoices") -> "TrainingChoices":
        """Both changes; the other's where both change the same hyperparameter."""
        return self.model_copy(update=other.changes)

    def __str__(self) -> str:
        words = {"split_seed": "another validation split, seed"}
        return ", ".join(
            f"{words.get(name, name.replace('_', ' '))} {value}"
            for name, value in self.changes.items()
        )


# --- what travels -----------------------------------------------------------------------------


class BlobRef(Message):
    """Bytes in the shared storage, named by their content."""

    key: str = Field(pattern=r"^[a-z]+/[0-9a-f]{64}\.[a-z]+$")  # "<kind>/<sha256>.<suffix>"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class ColumnSpec(Message):
    """How a column of a table becomes numbers, as learned from the training rows."""

    name: str
    kind: str  # "number", "date" (days since 1970) or "category"
    fill: Finite = 0.0  # of a number or date: what a missing one counts as, the median
    categories: tuple[str, ...] = ()  # each has a feature: 1 in rows with it, else 0
    other: bool = False  # whether there is one more for categories that are not in the list
    missing: bool = False  # whether there is one more for rows without a value

    @property
    def features(self) -> int:
        """How many numbers a cell becomes."""
        values = len(self.categories) + self.other if self.kind == "category" else 1
        return values + self.missing


class TableSpec(Message):
    """How the rows of a table become vectors: the columns in the order of their features."""

    target: str  # the column with the labels; several are separated by ", "
    columns: tuple[ColumnSpec, ...]


class TextSpec(Message):
    """How texts become token numbers; the stored data set has the pieces of words themselves."""

    column: str | None = None  # of a table that the texts were in; None: no table
    length: int  # tokens of one example: longer texts are cut, shorter ones filled with 0
    vocabulary: int  # token numbers, those for filling and for unknown characters among them


class SplitKind(StrEnum):
    """How a part of the examples is chosen to validate or test on."""

    RANDOM = "random"  # the same share of each class, or of each range of the numbers to predict
    GIVEN = "given"  # as the files have it
    GROUP = "group"  # no group is in two parts
    TIME = "time"  # the latest examples


class SplitSpec(Message):
    """How a data set is divided into examples to train, to validate and to test on."""

    validation: SplitKind = SplitKind.RANDOM  # drawn by each search, unless it is given
    test: SplitKind = SplitKind.RANDOM  # set aside once, for all searches
    column: str = Field(default="", max_length=128)  # with the groups or times: of a table
    seed: int | None = None  # of a test split that was set aside at random or by groups
    since: str = Field(default="", max_length=64)  # the earliest time in a test split by time
    validation_examples: int = 0  # given ones, which are among those for training


class DatasetSpec(Message):
    """The facts about a data set that are needed without opening it."""

    #: One example: (channels, height, width), (channels, length) or (features,).
    input_shape: tuple[int, ...]
    classes: int  # 0: numbers are predicted, see `target_names`
    class_names: tuple[str, ...]
    train_examples: int  # the validation split is taken from these
    test_examples: int
    dtype: str  # "uint8", "float32" or "float64", as stored; "int32" of token numbers
    flip: bool = True  # whether a mirrored example still has its label
    #: The axes of the user's file, such as "NHWC"; None: unknown, imported by an older release.
    layout: str | None = None
    #: The form of pictures that came as image files: "L", "LA", "RGB" or "RGBA" (Pillow's modes),
    #: or "I;16"; else None. Pictures of other sizes than `input_shape` says were fitted into it,
    #: proportions kept, with black beside them (`PIL.ImageOps.pad`).
    image_mode: str | None = None
    #: The axes of the user's file, such as "NL", of signals of different lengths: there shorter
    #: ones end with NaN. The last channel says where there are values, and `layout` is "NCL".
    padded: str | None = None
    table: TableSpec | None = None  # of vectors that were rows of a table
    text: TextSpec | None = None  # of token numbers (1, length), which were texts
    #: The numbers that are predicted for each example; empty: a class is.
    target_names: tuple[str, ...] = ()
    #: None: unknown, as it was imported by an older release; validation is drawn at random.
    split: SplitSpec | None = None
    #: Whether an example may have several of the classes, or none: then they are labels.
    multi_label: bool = False

    @property
    def outputs(self) -> int:
        """How many numbers a network computes for one example."""
        return self.classes or len(self.target_names)


class Hyperparameters(Message):
    """How one trial is trained: decided by the controller, obeyed by the worker."""

    epochs: int = Field(ge=1)
    max_seconds: Seconds | None = None  # after which the schedule ends, whatever the epochs
    batch_size: int = 64
    optimiser: Optimiser = Optimiser.ADAMW
    learning_rate: Finite = 1e-3  # the peak of the schedule
    weight_decay: Finite = 0.05
    momentum: Finite = 0.9
    warmup: Finite = 0.1  # share of the schedule
    decay: Finite = 1.0  # last share of the schedule, over which the rate falls; 0: it stays
    averaging: Finite = 0.0  # last share of the steps over which weights are averaged; 0: none
    mixing: Finite = 0.0  # α of the Beta distribution of mixing weights; 0: not mixed
    erasing: Finite = 0.0  # side of a square erased from each image, as a share of its side
    unaugmented: Finite = 0.0  # last share of the schedule, in which examples stay as they are
    label_smoothing: Finite = 0.0
    augmentation: str = "none"  # see worker.trainer.data.augmentation
    patience: int | None = None  # epochs without improvement before an early stop
    rung: Finite = 1.0  # share of the training after which it is compared with others
    least_at_rung: Finite | None = None  # metric below which the training ends there
    validation_fraction: Finite = 0.2
    split_seed: int = 0  # one split for all trials of a search
    morph_noise: Finite = 0.0  # on arrays that morphisms changed, in shares of their range
    channels_last: bool = True
    class_weights: str | None = None  # see `ClassWeights`


class Member(Message):
    """One of the networks of an ensemble, as it is at the start of the final fit."""

    architecture: JsonObject  # canonical JSON
    weights: BlobRef


class Checkpoint(Message):
    """Where the state of a training at the end of an epoch is stored."""

    epoch: int = Field(ge=1)
    seconds: Seconds  # of training so far
    blob: BlobRef

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> "Checkpoint":
        if not self.blob.key.startswith("checkpoints/"):
            raise ValueError(f"expected a blob checkpoints/…, found {self.blob.key}")
        return self


class TrainOrder(Message):
    """The answer to a lease: everything a worker needs to train one trial."""

    version: int = 1
    search_id: UUID
    trial_id: UUID
    number: int  # of the trial within its search; of an export that of the exported one
    kind: TrialKind = TrialKind.SEARCH
    attempt: int
    token: UUID  # fences every later report of this lease
    lease_seconds: Seconds
    task: str
    metric: str | None = None  # the kind of the metric that is optimised; None: the default
    seed: int  # of this trial
    architecture: JsonObject  # canonical JSON, after the morphisms
    parent_architecture: JsonObject | None = None
    parent_weights: BlobRef | None = None  # None: weights start at random
    #: The parent is a user's network: its weights are for examples as stored, not normalised.
    raw_inputs: bool = False
    morphisms: tuple[JsonObject, ...] = ()  # from the parent's architecture to this one
    dataset: BlobRef
    dataset_name: str
    dataset_spec: DatasetSpec
    hyperparameters: Hyperparameters
    history: JsonObject = Field(default_factory=dict)  # of an export: facts for the model card
    fresh: bool = False  # weights start at random, though the parent's are there
    holdout: Finite = 0.25  # final fit: share of the validation split for the comparison
    #: Final fit of an ensemble: the networks that `architecture` joins, the parent's first.
    members: tuple[Member, ...] = ()
    checkpoint: Checkpoint | None = None  # of an earlier attempt: continue from there
    #: Between two checkpoints that are stored, at least; None: the controller takes none.
    checkpoint_seconds: Seconds | None = None
    #: The trace of the request that created the search (W3C Trace Context); None: not traced.
    traceparent: str | None = None
    int8: bool = False  # the export also has an ONNX file of eight bits


class LeaseRequest(Message):
    """A worker asks for a trial."""

    worker_id: UUID
    boot_id: UUID  # new at each start: leases of older boots are released at once
    name: str = Field(max_length=128)
    device: str = Field(max_length=128)  # "cpu", or the name of the GPU
    threads: int = 1
    exports: bool = False  # it knows trials of the kind "export"; older releases do not
    memory: int = Field(default=0, ge=0)  # bytes that a training may use there; 0: unknown


class Action(StrEnum):
    CONTINUE = "continue"
    STOP = "stop"  # end now, keep the best weights, report `stopped`
    ABANDON = "abandon"  # another worker has the lease: end now, report nothing


class Answer(Message):
    """The controller's answer to a report of a running trial: what to do next."""

    action: Action = Action.CONTINUE
    reason: str = ""


class Heartbeat(Message):
    """Liveness and, through `step`, progress."""

    attempt: int
    token: UUID
    step: int = Field(ge=0)  # optimiser steps so far


class EpochMetrics(Message):
    """The metrics of one finished epoch; epochs count from 1."""

    epoch: int = Field(ge=1)
    train_loss: Finite | None = None
    validation_loss: Finite | None = None
    validation_metric: Finite | None = None  # in the final fit on its held-out examples
    learning_rate: Finite | None = None
    seconds: Seconds  # since the training began


class EpochReport(EpochMetrics):
    """A worker reports one finished epoch of its trial."""

    attempt: int
    token: UUID


class CheckpointReport(Checkpoint):
    """A worker reports that a checkpoint of its trial is stored; it replaces the one before."""

    attempt: int
    token: UUID


class HandBack(Message):
    """A worker that shuts down gives its trial back: the next one continues the same attempt."""

    attempt: int
    token: UUID


class TestMetrics(Message):
    """The results of the only evaluation on the test split."""

    __test__ = False  # tells pytest that this is not a test class

    metric: Finite  # of the task type, such as accuracy
    std: Finite | None = None  # its standard error
    loss: Finite
    examples: int
    measures: Measures = Field(default_factory=dict, max_length=MOST_MEASURES)


class Comparison(Message):
    """The final network compared with the winner that it continues, on held-out examples."""

    examples: int
    before: Finite  # the metric of the winner's own weights
    after: Finite | None  # that of the final network; None if its training failed
    exported: Literal["final", "winner"]
    reason: str = Field(
        default="", max_length=LONGEST_REASON
    )  # why the winner's own weights are exported


class TrialOutcome(Message):
    """How a training ended, and what it measured."""

    status: TrialStatus  # completed, stopped, infeasible or failed
    value: Finite | None = None  # the objective; larger is better
    value_std: Finite | None = None  # standard error of the value, from the validation size
    #: Of the same weights as the value; for classification at the best temperature.
    validation_loss: Finite | None = None
    measures: Measures = Field(default_factory=dict, max_length=MOST_MEASURES)  # of these weights
    value_at_rung: Finite | None = None  # after the share `Hyperparameters.rung` of the training
    #: How it was computed, such as "bf16 channels-last".
    precision: str = Field(default="", max_length=LONGEST_PRECISION)
    reason: str = Field(default="", max_length=LONGEST_REASON)
    retry: bool = True  # failed only: False if another attempt cannot help
    #: Failed only: storage did not work, which is no fault of the trial; no attempt is counted.
    setback: bool = False
    #: Infeasible only: the memory of the device did not suffice, that of another one may.
    out_of_memory: bool = False
    #: Failed only: these weights, or this data set, are missing or cannot be read.
    damaged: BlobRef | None = None
    weights: BlobRef | None = None
    #: `core.protocol.proofs.proof` of their bytes, which is needed where another user has them.
    weights_proof: str | None = Field(default=None, max_length=64)
    epochs: int = 0
    best_epoch: int = 0
    seconds: Seconds = 0.0
    samples_per_second: Finite | None = None
    latency: Positive | None = None  # seconds for one example: median of batches of one
    parameters: int | None = None
    test: TestMetrics | None = None  # of a final fit or an export
    export: BlobRef | None = None  # of the same
    export_proof: str | None = Field(default=None, max_length=64)  # as of the weights
    comparison: Comparison | None = None  # final fit only


class TrialResult(TrialOutcome):
    """A worker reports how its trial ended; accepted exactly once."""

    attempt: int
    token: UUID
    next: LeaseRequest | None = None  # it asks for another trial in the same call


class ResultAnswer(Message):
    """Whether a result was accepted."""

    accepted: bool  # False: a duplicate, or too late; the worker drops it either way
    reason: str = ""
    next: TrainOrder | None = None  # None: none waits, it was not asked for, or ask separately
    #: This worker gets no trials for that long, as its own storage does not work; see `reason`.
    rest_seconds: Seconds = 0.0
