"""The messages between the controller and the workers, and the configuration of a search.

Fields may be added here, optional with a default; none is renamed or removed. Readers ignore
fields they do not know, so that an older and a newer release understand each other; the golden
messages under `tests/assets/contracts/` must load in every later release. No number in a message is
NaN or infinite.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.protocol.explained_enum import ExplainedEnum
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


TrialLimit = Annotated[
    int | None,
    Field(ge=1, le=100_000, strict=True, description="trials in all, without the final fit"),
]
EpochLimit = Annotated[
    int | None,
    Field(ge=1, le=10_000_000, strict=True, description="epochs of all trials together"),
]
SecondsLimit = Annotated[
    float | None,
    Field(
        ge=10,
        le=30 * 86_400,
        description="seconds since the search started, the final fit included",
    ),
]


class Budget(Config):
    """What a search may spend; it ends when the first of these is used up."""

    trials: TrialLimit = None
    epochs: EpochLimit = None
    seconds: SecondsLimit = None

    @model_validator(mode="after")
    def _one_is_given(self) -> "Budget":
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("a budget needs at least one of trials, epochs, seconds")
        return self


#: Kinds of an open set: names that its registry knows.
Kinds = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
    Field(min_length=1, max_length=64),
]


class Bounds(Config):
    """The architectures that a search may suggest: the largest, and of what they are made."""

    layers: int = Field(default=120, ge=4, le=500, description="nodes of the graph")
    width: int = Field(default=512, ge=8, le=8192, description="filters or units of one layer")
    parameters: int = Field(
        default=5_000_000, ge=100, le=2_000_000_000, description="parameters of the network"
    )
    flops: int | None = Field(
        default=None,
        ge=1_000,
        description="FLOPs of one example, forward: two for each multiply-add; null: no bound",
    )
    memory: int | None = Field(
        default=None, ge=1_000_000, description="bytes while training one batch; null: no bound"
    )
    latency: float | None = Field(
        default=None, ge=1e-6, le=60, description="seconds for one example; null: no bound"
    )
    morphisms: Kinds | None = Field(
        default=None,
        description="kinds of changes by which a search may make one network from another; "
        "null: all",
    )
    without_layers: Kinds | None = Field(
        default=None, description="kinds of layers that no network may have; null: all may be used"
    )


class Cost(ExplainedEnum):
    """A cost that a search can minimise alongside the metric; the result is a Pareto front."""

    PARAMETERS = "parameters", "those of the network"
    FLOPS = "flops", "of one example, forward"
    LATENCY = "latency", "seconds for one example, as the workers measure it"


class Optimiser(ExplainedEnum):
    """An optimiser of the weights."""

    SGD = "sgd", "stochastic gradient descent with momentum"
    ADAMW = "adamw", "Adam with a decay of the weights that does not depend on the gradient"
    MUON = "muon", "for matrices and kernels; AdamW for the other parameters"


class Training(Config):
    """How trials are trained; omitted fields are chosen for the data and the budget."""

    epochs: int | None = Field(default=None, ge=1, le=10_000, description="epochs of one trial")
    final_epochs: int | None = Field(
        default=None, ge=1, le=10_000, description="epochs of the final fit"
    )
    final_weights: Literal["inherited", "fresh"] = Field(
        default="inherited",
        description="weights at the start of the final fit: `inherited` from the winner, or "
        "`fresh`, random ones",
    )
    trial_seconds: float | None = Field(
        default=None,
        ge=1,
        le=7 * 86_400,
        description="seconds after which the training of a trial ends",
    )
    batch_size: int | None = Field(default=None, ge=2, le=8192, description="examples in one step")
    optimiser: Optimiser | None = Field(default=None, description="optimiser of the weights")
    learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="the peak of the schedule"
    )
    weight_decay: float | None = Field(default=None, ge=0, le=1, description="decay of the weights")
    augmentation: Augmentation = Field(
        default="auto",
        description="how training examples are changed at random; `auto`: chosen for the data; "
        "`none`: not at all; `shift`: images are moved; `affine`: they are also turned, sheared "
        "and scaled; `shift-flip` and `affine-flip`: they are mirrored, too; `warp`: signals are "
        "moved and stretched in time",
    )
    label_smoothing: float | None = Field(
        default=None, ge=0, lt=1, description="share of each label that is spread over all classes"
    )
    erasing: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="side of a square that is erased from each image, as a share of the image's "
        "side",
    )
    mixing: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="α of the Beta distribution by which pairs of examples are mixed; 0: they "
        "are not",
    )
    alternatives: int | None = Field(
        default=None, ge=0, le=8, description="training choices that the search tries; 0: none"
    )
    splits: int | None = Field(
        default=None,
        ge=1,
        le=5,
        description="validation splits on which the first trials are repeated",
    )
    split_seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        strict=True,
        description="seed of validation splits; null: that of the search",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="epochs without improvement after which a training ends",
    )
    validation_fraction: float | None = Field(
        default=None, ge=0.02, le=0.5, description="share of the training examples to validate on"
    )
    morph_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="noise on arrays that morphisms changed, in shares of their range",
    )
    ensemble: int | None = Field(
        default=None, ge=1, le=8, strict=True, description="networks that are exported as one"
    )
    class_weights: ClassWeights | None = Field(
        default=None,
        description="weights of examples in the loss; `balanced`: in inverse proportion to the "
        "examples of their class; null: each counts equally",
    )


class SearchConfig(Config):
    """Everything that determines a search, beside its data set."""

    task: str = Field(
        default="image-classification",
        max_length=64,
        description="task type, such as `image-classification` or `regression`",
    )
    metric: str | None = Field(
        default=None,
        max_length=64,
        description="kind of the metric to optimise, such as `accuracy`; null: the task type's "
        "default",
    )
    strategy: str = Field(
        default="bayesian",
        max_length=64,
        description="how to search, such as `bayesian` or `random`",
    )
    strategy_options: dict[str, Finite | str | bool] = Field(
        default_factory=dict,
        max_length=32,
        description="options of the strategy by name; those left out have their defaults",
    )
    cost: Cost | None = Field(
        default=None, description="what to minimise alongside the metric; null: the metric alone"
    )
    budget: Budget = Field(description="what the search may spend")
    parallelism: int = Field(
        default=1, ge=1, le=1024, strict=True, description="most trials in flight at a time"
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        strict=True,
        description="seed of all random choices of the search",
    )
    training: Training = Field(default=Training(), description="how trials are trained")
    bounds: Bounds | None = Field(
        default=None,
        description="largest architecture that the search may suggest; omitted fields are "
        "chosen for the data and the budget",
    )
    root: UUID | None = Field(
        default=None,
        description="id of an uploaded network to start from; null: chosen for the data",
    )
    keep_accuracy: bool | None = Field(
        default=None,
        description="whether to look for less `cost` (by default parameters) at the accuracy of "
        "the root, within noise; null: no",
    )
    int8: bool | None = Field(
        default=None, description="whether the export also has an ONNX file of eight bits; null: no"
    )


class TrainingChoices(Message):
    """Changes by a search to the training of a lineage; None: as chosen for the data."""

    augmentation: str | None = Field(default=None, description="name of the augmentation")
    mixing: Finite | None = Field(
        default=None, description="α of the Beta distribution of mixing weights"
    )
    erasing: Finite | None = Field(
        default=None, description="side of the erased square, as a share of the image's side"
    )
    weight_decay: Finite | None = Field(default=None, description="decay of the weights")
    split_seed: int | None = Field(
        default=None, description="of a repeated trial: seed of its validation split"
    )

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
            f"{words.get(name, name.replace('_', ' '))} {_rounded(value)}"
            for name, value in self.changes.items()
        )


def _rounded(value: str | float) -> str | float:
    """A number to three digits, for people."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


# --- what travels -----------------------------------------------------------------------------


class BlobRef(Message):
    """Bytes in the shared storage, named by their content."""

    key: str = Field(
        pattern=r"^[a-z]+/[0-9a-f]{64}\.[a-z]+$",
        description="name in the storage: `<kind>/<sha256>.<suffix>`",
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes, in hexadecimal"
    )
    bytes: int = Field(ge=0, description="size in bytes")


class ColumnSpec(Message):
    """How a column of a table becomes numbers, as learned from the training rows."""

    name: str = Field(description="name of the column")
    kind: str = Field(description="`number`, `date` (days since 1970) or `category`")
    fill: Finite = Field(
        default=0.0, description="of a number or date: what a missing one counts as, the median"
    )
    categories: tuple[str, ...] = Field(
        default=(), description="values that have a feature each: 1 in rows with it, else 0"
    )
    other: bool = Field(
        default=False,
        description="whether there is one more feature for categories that are not in the list",
    )
    missing: bool = Field(
        default=False, description="whether there is one more feature for rows without a value"
    )

    @property
    def features(self) -> int:
        """How many numbers a cell becomes."""
        values = len(self.categories) + self.other if self.kind == "category" else 1
        return values + self.missing


class TableSpec(Message):
    """How the rows of a table become vectors: the columns in the order of their features."""

    target: str = Field(
        description='name of the column with the labels; several are separated by ", "'
    )
    columns: tuple[ColumnSpec, ...] = Field(
        description="columns to learn from, in the order of their features"
    )


class TextSpec(Message):
    """How texts become token numbers; the stored data set has the pieces of words themselves."""

    column: str | None = Field(
        default=None, description="column of a table that the texts were in; null: no table"
    )
    length: int = Field(
        description="tokens of one example: longer texts are cut, shorter ones filled with 0"
    )
    vocabulary: int = Field(
        description="number of token numbers, those for filling and for unknown characters "
        "among them"
    )


class SplitKind(ExplainedEnum):
    """How a part of the examples is chosen to validate or test on."""

    RANDOM = "random", "the same share of each class, or of each range of the numbers to predict"
    GIVEN = "given", "as the files have it"
    GROUP = "group", "no group is in two parts"
    TIME = "time", "the latest examples"


class SplitSpec(Message):
    """How a data set is divided into examples to train, to validate and to test on."""

    validation: SplitKind = Field(
        default=SplitKind.RANDOM,
        description="how validation examples are chosen: drawn by each search, unless they are "
        "given",
    )
    test: SplitKind = Field(
        default=SplitKind.RANDOM,
        description="how test examples are chosen: set aside once, for all searches",
    )
    column: str = Field(
        default="", max_length=128, description="column of a table with the groups or times"
    )
    seed: int | None = Field(
        default=None,
        description="seed of a test split that was set aside at random or by groups; null: "
        "another split",
    )
    since: str = Field(
        default="", max_length=64, description="earliest time in a test split by time"
    )
    validation_examples: int = Field(
        default=0, description="given validation examples, which are among those for training"
    )


class DatasetSpec(Message):
    """The facts about a data set that are needed without opening it."""

    input_shape: tuple[int, ...] = Field(
        description="shape of one example: (channels, height, width), (channels, length) or "
        "(features)"
    )
    classes: int = Field(
        description="number of classes; 0: numbers are predicted, see `target_names`"
    )
    class_names: tuple[str, ...] = Field(description="names of the classes in their order")
    train_examples: int = Field(
        description="training examples; the validation split is taken from these"
    )
    test_examples: int = Field(description="examples of the test split")
    dtype: str = Field(
        description="type of the numbers as stored: `uint8`, `float32` or `float64`; `int32` of "
        "token numbers"
    )
    flip: bool = Field(default=True, description="whether a mirrored example still has its label")
    layout: str | None = Field(
        default=None,
        description="axes of the user's file, such as `NHWC`; null: unknown, imported by an "
        "older release",
    )
    image_mode: str | None = Field(
        default=None,
        description="form of pictures that came as image files: `L`, `LA`, `RGB` or `RGBA` "
        "(Pillow's modes), or `I;16`; else null. Pictures of other sizes than "
        "`input_shape` says were fitted into it, proportions kept, with black "
        "beside them (`PIL.ImageOps.pad`)",
    )
    padded: str | None = Field(
        default=None,
        description="axes of the user's file, such as `NL`, of signals of different lengths: there "
        "shorter ones end with NaN; the last channel says where there are values, and `layout` is "
        "`NCL`; else null",
    )
    table: TableSpec | None = Field(
        default=None, description="of vectors that were rows of a table: how they became vectors"
    )
    text: TextSpec | None = Field(
        default=None,
        description="of token numbers (1, length), which were texts: how they became tokens",
    )
    target_names: tuple[str, ...] = Field(
        default=(),
        description="names of the numbers that are predicted for each example; empty: a class is",
    )
    split: SplitSpec | None = Field(
        default=None,
        description="how it is divided; null: unknown, as it was imported by an older release; "
        "validation is drawn at random",
    )
    multi_label: bool = Field(
        default=False,
        description="whether an example may have several of the classes, or none: then they are "
        "labels",
    )

    @property
    def outputs(self) -> int:
        """How many numbers a network computes for one example."""
        return self.classes or len(self.target_names)


class Hyperparameters(Message):
    """How one trial is trained: decided by the controller, obeyed by the worker."""

    epochs: int = Field(ge=1, description="most epochs")
    max_seconds: Seconds | None = Field(
        default=None, description="seconds after which the schedule ends, whatever the epochs"
    )
    batch_size: int = Field(default=64, description="examples in one step")
    optimiser: Optimiser = Field(default=Optimiser.ADAMW, description="optimiser of the weights")
    learning_rate: Finite = Field(default=1e-3, description="the peak of the schedule")
    weight_decay: Finite = Field(default=0.05, description="decay of the weights")
    momentum: Finite = Field(default=0.9, description="momentum of the optimiser")
    warmup: Finite = Field(
        default=0.1, description="share of the schedule over which the learning rate rises"
    )
    decay: Finite = Field(
        default=1.0,
        description="last share of the schedule, over which the rate falls; 0: it stays",
    )
    averaging: Finite = Field(
        default=0.0, description="last share of the steps over which weights are averaged; 0: none"
    )
    mixing: Finite = Field(
        default=0.0, description="α of the Beta distribution of mixing weights; 0: not mixed"
    )
    erasing: Finite = Field(
        default=0.0, description="side of a square erased from each image, as a share of its side"
    )
    unaugmented: Finite = Field(
        default=0.0, description="last share of the schedule, in which examples stay as they are"
    )
    label_smoothing: Finite = Field(
        default=0.0, description="share of each label that is spread over all classes"
    )
    augmentation: str = Field(
        default="none", description="name of the augmentation, such as `shift-flip`"
    )
    patience: int | None = Field(
        default=None,
        description="epochs without improvement before an early stop; null: no early stop",
    )
    rung: Finite = Field(
        default=1.0, description="share of the training after which it is compared with others"
    )
    least_at_rung: Finite | None = Field(
        default=None,
        description="metric below which the training ends there; null: it does not end there",
    )
    validation_fraction: Finite = Field(
        default=0.2, description="share of the training examples to validate on"
    )
    split_seed: int = Field(
        default=0, description="seed of the validation split: one for all trials of a search"
    )
    morph_noise: Finite = Field(
        default=0.0, description="noise on arrays that morphisms changed, in shares of their range"
    )
    inherited_share: Finite = Field(
        default=1.0,
        description="share of inherited weights at the start of a training, the rest is random",
    )
    channels_last: bool = Field(
        default=True, description="whether arrays have the channels as their last axis in memory"
    )
    class_weights: str | None = Field(
        default=None, description="weights of examples in the loss: `balanced`, or null"
    )


class Member(Message):
    """One of the networks of an ensemble, as it is at the start of the final fit."""

    architecture: JsonObject = Field(description="its architecture as canonical JSON")
    weights: BlobRef = Field(description="its weights")


class Checkpoint(Message):
    """Where the state of a training at the end of an epoch is stored."""

    epoch: int = Field(ge=1, description="epochs that it has been trained for")
    seconds: Seconds = Field(description="seconds of training so far")
    blob: BlobRef = Field(description="where the state is stored")

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> "Checkpoint":
        if not self.blob.key.startswith("checkpoints/"):
            raise ValueError(f"expected a blob checkpoints/…, found {self.blob.key}")
        return self


class TrainOrder(Message):
    """The answer to a lease: everything a worker needs to train one trial."""

    version: int = Field(default=1, description="version of this message")
    search_id: UUID = Field(description="id of the search")
    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(
        description="number of the trial within its search; of an export that of the exported one"
    )
    kind: TrialKind = Field(default=TrialKind.SEARCH, description="purpose of the trial")
    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="fences every later report of this lease")
    lease_seconds: Seconds = Field(
        description="seconds after which the lease ends, unless a report renews it"
    )
    task: str = Field(description="task type")
    metric: str | None = Field(
        default=None, description="kind of the metric that is optimised; null: the default"
    )
    seed: int = Field(description="seed of this trial")
    architecture: JsonObject = Field(
        description="architecture as canonical JSON, after the morphisms"
    )
    parent_architecture: JsonObject | None = Field(
        default=None, description="architecture of the parent; null: it has no parent"
    )
    parent_weights: BlobRef | None = Field(
        default=None, description="weights of the parent; null: weights start at random"
    )
    raw_inputs: bool = Field(
        default=False,
        description="whether the parent is a user's network: its weights are for examples as "
        "stored, not normalised",
    )
    morphisms: tuple[JsonObject, ...] = Field(
        default=(), description="steps from the parent's architecture to this one"
    )
    dataset: BlobRef = Field(description="the data set in the storage")
    dataset_name: str = Field(description="name of the data set")
    dataset_spec: DatasetSpec = Field(description="facts about the data set")
    hyperparameters: Hyperparameters = Field(description="how the trial is trained")
    history: JsonObject = Field(
        default_factory=dict, description="of an export: facts for the model card"
    )
    fresh: bool = Field(
        default=False, description="whether weights start at random, though the parent's are there"
    )
    holdout: Finite = Field(
        default=0.25, description="final fit: share of the validation split for the comparison"
    )
    members: tuple[Member, ...] = Field(
        default=(),
        description="final fit of an ensemble: the networks that `architecture` joins, the "
        "parent's first",
    )
    checkpoint: Checkpoint | None = Field(
        default=None,
        description="checkpoint of an earlier attempt to continue from; null: there is none",
    )
    checkpoint_seconds: Seconds | None = Field(
        default=None,
        description="seconds between two checkpoints that are stored, at least; null: the "
        "controller takes none",
    )
    traceparent: str | None = Field(
        default=None,
        description="trace of the request that created the search (W3C Trace Context); null: "
        "not traced",
    )
    int8: bool = Field(
        default=False, description="whether the export also has an ONNX file of eight bits"
    )


class LeaseRequest(Message):
    """A worker asks for a trial."""

    worker_id: UUID = Field(description="id of the worker")
    boot_id: UUID = Field(
        description="new at each start: leases of older boots are released at once"
    )
    name: str = Field(max_length=128, description="name of the worker")
    device: str = Field(max_length=128, description="`cpu`, or the name of the GPU")
    threads: int = Field(default=1, description="threads that a training uses")
    exports: bool = Field(
        default=False,
        description="whether it knows trials of the kind `export`; older releases do not",
    )
    memory: int = Field(
        default=0, ge=0, description="bytes that a training may use there; 0: unknown"
    )


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
    """A worker reports one finished epoch of its trial."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")


class CheckpointReport(Checkpoint):
    """A worker reports that a checkpoint of its trial is stored; it replaces the one before."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")


class HandBack(Message):
    """A worker that shuts down gives its trial back: the next one continues the same attempt."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")


class TestMetrics(Message):
    """The results of the only evaluation on the test split."""

    __test__ = False  # tells pytest that this is not a test class

    metric: Finite = Field(description="metric of the task type, such as accuracy")
    std: Finite | None = Field(default=None, description="its standard error")
    loss: Finite = Field(description="loss on the test split")
    examples: int = Field(description="examples of the test split")
    measures: Measures = Field(
        default_factory=dict,
        max_length=MOST_MEASURES,
        description="further measures by name, in the unit of the user's data",
    )


class Comparison(Message):
    """The final network compared with the winner that it continues, on held-out examples."""

    examples: int = Field(description="held-out examples")
    before: Finite = Field(description="the metric of the winner's own weights")
    after: Finite | None = Field(
        description="that of the final network; null if its training failed"
    )
    exported: Literal["final", "winner"] = Field(
        description="which of the two is exported: the `final` network, or the `winner` with its "
        "own weights"
    )
    reason: str = Field(
        default="",
        max_length=LONGEST_REASON,
        description="why the winner's own weights are exported; or empty",
    )


class TrialOutcome(Message):
    """How a training ended, and what it measured."""

    status: TrialStatus = Field(description="`completed`, `stopped`, `infeasible` or `failed`")
    value: Finite | None = Field(default=None, description="the objective; larger is better")
    value_std: Finite | None = Field(
        default=None, description="standard error of the value, from the validation size"
    )
    validation_loss: Finite | None = Field(
        default=None,
        description="validation loss of the same weights as the value; for classification at "
        "the best temperature",
    )
    measures: Measures = Field(
        default_factory=dict,
        max_length=MOST_MEASURES,
        description="further measures of these weights by name, in the unit of the user's data",
    )
    value_at_rung: Finite | None = Field(
        default=None, description="value after the share `rung` of the training"
    )
    precision: str = Field(
        default="",
        max_length=LONGEST_PRECISION,
        description='how it was computed, such as "bf16 channels-last"',
    )
    reason: str = Field(
        default="", max_length=LONGEST_REASON, description="why it ended so; or empty"
    )
    retry: bool = Field(
        default=True, description="failed only: false if another attempt cannot help"
    )
    setback: bool = Field(
        default=False,
        description="failed only: storage did not work, which is no fault of the trial; no "
        "attempt is counted",
    )
    out_of_memory: bool = Field(
        default=False,
        description="infeasible only: the memory of the device did not suffice, that of another "
        "one may",
    )
    damaged: BlobRef | None = Field(
        default=None,
        description="failed only: these weights, or this data set, are missing or cannot be read",
    )
    weights: BlobRef | None = Field(
        default=None, description="stored weights; null: there are none"
    )
    weights_proof: str | None = Field(
        default=None,
        max_length=64,
        description="proof that the worker has the bytes of the weights, which is needed where "
        "another user has them",
    )
    epochs: int = Field(default=0, description="epochs that it was trained for")
    best_epoch: int = Field(default=0, description="epoch that the value belongs to")
    seconds: Seconds = Field(default=0.0, description="seconds of training")
    samples_per_second: Finite | None = Field(
        default=None, description="training examples per second"
    )
    latency: Positive | None = Field(
        default=None, description="seconds for one example: median of batches of one"
    )
    parameters: int | None = Field(default=None, description="parameters of the network")
    test: TestMetrics | None = Field(
        default=None, description="results on the test split, of a final fit or an export"
    )
    export: BlobRef | None = Field(default=None, description="exported model, of the same")
    export_proof: str | None = Field(
        default=None,
        max_length=64,
        description="proof that the worker has the bytes of the export, as of the weights",
    )
    comparison: Comparison | None = Field(
        default=None, description="final fit only: comparison with the winner"
    )


class TrialResult(TrialOutcome):
    """A worker reports how its trial ended; accepted exactly once."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
    next: LeaseRequest | None = Field(
        default=None, description="asks for another trial in the same call; null: it does not"
    )


class ResultAnswer(Message):
    """Whether a result was accepted."""

    accepted: bool = Field(
        description="false: a duplicate, or too late; the worker drops it either way"
    )
    reason: str = Field(default="", description="why it was not accepted; or empty")
    next: TrainOrder | None = Field(
        default=None,
        description="next order; null: none waits, it was not asked for, or ask separately",
    )
    rest_seconds: Seconds = Field(
        default=0.0,
        description="seconds for which this worker gets no trials, as its own storage does not "
        "work; see `reason`",
    )
