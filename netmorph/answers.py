"""The JSON objects that the service answers with, as types.

Each class has the fields of one schema in the service's OpenAPI document, as `api/schemas/`
declares them: the same names, types and required fields. To change a field, change it there and
here; `tests/netmorph/test_answers.py` compares the two and names the field that differs. A new
class also gets a row in the table of that test.

Enumerations are `str` here, as a newer service may know more values. Fields that this release does
not know stay in the objects, so that `--json` prints everything that a newer service sends.
"""

from typing import Any, NotRequired, TypedDict


class SplitFacts(TypedDict):
    """One split of a data set."""

    name: str
    examples: int
    by_class: list[int]
    given: bool
    groups: NotRequired[int]  # that it has, where groups are kept apart


class TargetFacts(TypedDict):
    """A number that is predicted, over all examples of a data set."""

    name: str
    least: float
    greatest: float
    mean: float
    std: float


class ColumnFacts(TypedDict):
    """How one column of a table was understood."""

    name: str
    taken_as: str  # "target", "number", "date", "category" or "left out"
    features: int  # numbers that it becomes
    reason: str


class Repetitions(TypedDict):
    """Examples of a data set that occur more than once."""

    in_train: int
    in_test: int
    leaked: int
    contradictory: int
    validation_leaked: NotRequired[int]


class Description(TypedDict):
    """How the files of a data set were understood."""

    format: str
    task: str
    task_reason: str
    kind: str
    layout: str
    layout_reason: str
    values: str
    least: float
    greatest: float
    splits: list[SplitFacts]
    targets: NotRequired[list[TargetFacts]]  # of regression
    repetitions: Repetitions
    columns: NotRequired[list[ColumnFacts]]  # of a table
    notes: list[str]
    warnings: list[str]
    summary: list[str]


class Intake(TypedDict):
    """What data sets may be."""

    max_upload_bytes: int
    formats: dict[str, str]
    tasks: NotRequired[list[str]]  # what labels may be taken for
    layouts: list[str]
    image_side: int
    builtins: list[str]


class Dataset(TypedDict):
    """A data set in storage."""

    id: str
    name: str
    version: int
    builtin: bool
    task: str
    input_shape: list[int]
    classes: int
    class_names: list[str]
    target_names: NotRequired[list[str]]  # of the numbers to predict, where no class is
    train_examples: int
    test_examples: int
    layout: str | None
    bytes: int
    created_at: str
    uploaded_at: str
    description: Description | None


class Operation(TypedDict):
    """An import that goes on after its request has been answered."""

    id: str
    kind: str
    name: str  # of the data set
    status: str
    step: str  # what it does now
    dataset_id: str | None  # None: there is none yet, or it was deleted since
    problem: dict[str, Any] | None  # why it failed, as a problem document (RFC 9457)
    created_at: str
    ended_at: str | None


class Network(TypedDict):
    """An uploaded network that a search can start from."""

    id: str
    name: str
    input_shape: list[int]
    outputs: int
    layers: int
    parameters: int
    flops: int
    bytes: int | None  # of its weights; None: they start at random
    created_at: str


class Queued(TypedDict):
    """A network that waits for its trial."""

    network_id: str
    name: str
    created_at: str  # when it was enqueued


class Enqueued(TypedDict):
    """A network that becomes a trial of a search, or is one."""

    search_id: str
    network_id: str
    trial_id: str | None  # None: it waits until a trial may start
    number: int | None


class OwnerRef(TypedDict):
    """The key that a search was created with."""

    id: str
    name: str


class DatasetRef(TypedDict):
    """The data set of a search."""

    id: str
    name: str


class Budget(TypedDict, total=False):
    """What a search may spend; the search ends when one limit is reached. None: no limit."""

    trials: int | None
    epochs: int | None
    seconds: float | None


class Bounds(TypedDict, total=False):
    """The architectures that a search may suggest: the largest, and of what. None: no bound."""

    layers: int
    width: int  # filters or units of one layer
    parameters: int
    flops: int | None  # for one example, forward
    memory: int | None  # bytes while training one batch
    latency: float | None  # seconds for one example
    morphisms: list[str] | None  # kinds of changes
    without_layers: list[str] | None  # kinds of layers


class Training(TypedDict, total=False):
    """How the trials of a search are trained. None: chosen for the data and the budget."""

    epochs: int | None  # of one trial
    final_epochs: int | None
    final_weights: str
    trial_seconds: float | None
    batch_size: int | None
    optimiser: str | None
    learning_rate: float | None
    weight_decay: float | None
    augmentation: str
    label_smoothing: float | None
    erasing: float | None
    mixing: float | None
    alternatives: int | None
    splits: int | None  # validation splits of few examples
    split_seed: NotRequired[int | None]  # of validation splits
    class_weights: NotRequired[str | None]
    patience: int | None  # epochs without improvement
    validation_fraction: float | None
    morph_noise: float
    ensemble: int | None  # networks exported as one


class Used(TypedDict):
    """What a search has spent."""

    trials: int
    epochs: int
    seconds: float


class Best(TypedDict):
    """The trial with the best value so far."""

    trial_id: str
    number: int
    value: float
    value_std: float | None
    parameters: int | None
    measures: NotRequired[dict[str, float]]  # in the units of the data


class Comparison(TypedDict):
    """The final network compared with the winner that it was trained from, on held-out examples."""

    examples: int
    before: float
    after: float | None
    exported: str
    reason: NotRequired[str]
    text: str


class Final(TypedDict):
    """The result of the final fit."""

    trial_id: str
    of_number: int
    test_metric: float
    test_loss: float
    test_examples: int
    test_measures: NotRequired[dict[str, float]]  # in the units of the data
    parameters: int | None
    latency: float | None  # seconds for one example
    members: list[int]
    ensemble: str
    export_bytes: int | None
    precision: str | None
    comparison: Comparison | None


class Search(TypedDict):
    """A search and its progress."""

    id: str
    name: str
    tags: list[str]
    note: str
    owner: OwnerRef  # the key that it was created with
    shared: bool  # whether all users of the service may read it
    dataset: DatasetRef
    task: str
    strategy: str
    strategy_options: dict[str, float | str | bool]
    metric: str
    in_percent: NotRequired[bool]  # whether people read the metric as a percentage
    larger_is_better: NotRequired[bool]
    cost: str | None
    status: str
    reason: str
    budget: Budget
    parallelism: int
    priority: NotRequired[str]  # low, normal or high
    seed: int
    training: Training
    bounds: Bounds
    root: str | None  # id of the network that it starts from
    keep_accuracy: NotRequired[bool]  # it looks for less cost at the root's accuracy
    int8: NotRequired[bool]  # its export also has an ONNX file of eight bits
    kept: NotRequired[str]  # which network keeps it, in words; empty until the final fit is made
    root_name: NotRequired[str | None]
    version: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    now: str
    used: Used
    trial_counts: dict[str, int]
    trials_inherited: int
    compute_in_winner: float | None
    best: Best | None
    final: Final | None
    seconds_left: NotRequired[float | None]  # until the export, estimated


class Morphism(TypedDict):
    """One step from parent to child."""

    kind: str
    text: str
    data: dict[str, Any]


class Trial(TypedDict):
    """One architecture being evaluated."""

    id: str
    search_id: str
    number: int
    kind: str
    status: str
    attempt: int
    reason: str
    network_id: str | None  # the network that a user has enqueued as this trial
    parent_id: str | None
    parent_number: int | None
    morphisms: list[Morphism]
    choices: dict[str, Any]
    changes: str
    members: list[int]
    ensemble: str
    inherited: bool
    remark: str
    fingerprint: str
    layers: int
    parameters: int
    flops: int
    predicted_mean: float | None
    predicted_std: float | None
    value: float | None
    value_std: float | None
    validation_loss: float | None
    measures: NotRequired[dict[str, float]]  # in the units of the data
    precision: str | None
    comparison: Comparison | None
    epochs: int
    best_epoch: int | None
    step: int | None
    seconds: float | None
    samples_per_second: float | None
    latency: float | None  # seconds for one example
    worker: str | None
    worker_id: str | None  # of this worker; the service forgets it when it is silent for a day
    created_at: str
    started_at: str | None
    ended_at: str | None


class TrialExport(TypedDict):
    """The export of one trial: how far it is, and its test."""

    trial_id: str
    search_id: str
    number: int  # of the trial
    status: str  # of the export; its file is there once it is completed
    attempt: int
    reason: str  # why it waits or has failed
    export_bytes: int | None
    test_metric: float | None
    test_loss: float | None
    test_examples: int | None
    test_measures: NotRequired[dict[str, float]]
    created_at: str
    started_at: str | None
    ended_at: str | None


class Epoch(TypedDict):
    """The metrics of one epoch of a trial."""

    trial_id: str
    attempt: int
    epoch: int
    train_loss: float | None
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float | None
    seconds: float  # since its training began


class RootFacts(TypedDict):
    """An architecture that a search would start from."""

    layers: int
    parameters: int
    flops: int
    seconds: float  # of its training, as expected


class Preview(TypedDict):
    """What a search would be."""

    dataset_id: str
    task: str
    bounds: Bounds
    roots: list[RootFacts]
    trial_seconds: float  # of a later trial, as expected
    workers: int  # that are alive


class FrontPoint(TypedDict):
    """A trial that no other trial beats in both value and cost."""

    trial_id: str
    number: int
    value: float
    value_std: float | None
    parameters: int
    flops: int
    latency: float | None  # seconds for one example


class Front(TypedDict):
    """The Pareto front of a search, the cheapest trial first."""

    metric: str
    cost: str
    items: list[FrontPoint]
    root: FrontPoint | None  # of the network that the user gave, which may be beaten


class Worker(TypedDict):
    """A worker that was seen within the last day."""

    id: str
    name: str
    device: str
    threads: int
    memory: int  # bytes that a training may use there; 0: unknown
    memory_exceeded: int | None  # the least estimate that ran out on such a device, if any did
    memory_fitted: int | None  # the most that was trained there since one ran out
    seen_at: str
    draining: bool  # it gets no more trials
    problem: str  # why it last had to rest, such as storage that it cannot read
    resting_until: str | None  # it gets no trials until then
    trial_id: str | None  # the trial that it trains
    precision: str | None  # of its latest training that you may read
    samples_per_second: float | None  # median of its latest trainings that you may read


class WorkerProblem(TypedDict):
    """An attempt that failed at a worker."""

    trial_id: str
    number: int
    kind: str
    search_id: str
    search_name: str
    attempt: int
    reason: str
    tried_again: bool
    ended_at: str


class WorkerDay(TypedDict):
    """The last day of a worker: the trials that you may read."""

    completed: int  # trials
    failed: int  # attempts
    problems: list[WorkerProblem]  # the latest of these attempts


class WorkerDetail(Worker):
    """A worker with what happened there within the last day."""

    last_day: WorkerDay


class WorkerTrial(TypedDict):
    """A trial that ended at a worker."""

    trial_id: str
    number: int
    kind: str
    search_id: str
    search_name: str
    status: str
    attempt: int
    reason: str
    precision: str | None
    seconds: float | None
    samples_per_second: float | None  # training examples
    started_at: str | None
    ended_at: str


class Amount(TypedDict):
    """A number of stored files, and their bytes together."""

    blobs: int
    bytes: int


class Garbage(TypedDict):
    """Stored files without a use, by the reason."""

    superseded: Amount
    orphans: Amount
    discarded: Amount


class Key(TypedDict):
    """An API key, without its secret."""

    id: str
    name: str
    role: str
    prefix: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None
    expires_at: str | None
    worker: str | None  # the only worker name that may use it


class CreatedKey(Key):
    """A new API key with its secret, which no later answer contains."""

    key: str


class Webhook(TypedDict):
    """An address to which events are sent."""

    id: str
    name: str
    url: str
    events: list[str]
    created_at: str


class CreatedWebhook(Webhook):
    """A new webhook with its secret, which no later answer contains."""

    secret: str


class Delivery(TypedDict):
    """One event for one webhook."""

    id: str
    webhook_id: str
    event: str
    data: dict[str, Any]
    status: str
    attempts: int
    answer: int | None  # status of the receiver's last answer
    error: str
    created_at: str
    due_at: str  # of its next attempt, while it is pending
    ended_at: str | None


#: Statuses that a search never leaves.
ENDED = frozenset({"completed", "stopped", "failed"})
