"""What the service answers: the JSON objects of the REST interface, as types.

Fields that this release does not know are kept, so that `--json` shows all a newer service says.
"""

from typing import Any, TypedDict


class Dataset(TypedDict):
    """A data set in storage."""

    id: str
    name: str
    builtin: bool
    task: str
    input_shape: list[int]
    classes: int
    class_names: list[str]
    train_examples: int
    test_examples: int
    bytes: int
    created_at: str


class DatasetRef(TypedDict):
    """The data set of a search."""

    id: str
    name: str


class Budget(TypedDict):
    """What a search may spend."""

    trials: int | None
    epochs: int | None
    seconds: float | None


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


class Comparison(TypedDict):
    """The final network beside the winner that it was trained on from, on examples held out."""

    examples: int
    before: float
    after: float | None
    exported: str
    reason: str
    text: str


class Final(TypedDict):
    """What the final fit reached."""

    trial_id: str
    of_number: int
    test_metric: float
    test_loss: float
    test_examples: int
    parameters: int | None
    latency: float | None
    members: list[int]
    ensemble: str
    export_bytes: int | None
    precision: str | None
    comparison: Comparison | None


class Search(TypedDict):
    """A search and how far it is."""

    id: str
    name: str
    dataset: DatasetRef
    task: str
    strategy: str
    metric: str
    cost: str | None
    status: str
    reason: str
    budget: Budget
    parallelism: int
    seed: int
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
    parent_id: str | None
    parent_number: int | None
    morphisms: list[Morphism]
    choices: dict[str, Any]
    changes: str
    members: list[int]
    ensemble: str
    inherited: bool
    fingerprint: str
    layers: int
    parameters: int
    flops: int
    predicted_mean: float | None
    predicted_std: float | None
    value: float | None
    value_std: float | None
    validation_loss: float | None
    precision: str | None
    comparison: Comparison | None
    epochs: int
    seconds: float | None
    latency: float | None  # seconds for one example
    worker: str | None


class FrontPoint(TypedDict):
    """A trial that no other beats in both value and cost."""

    trial_id: str
    number: int
    value: float
    value_std: float | None
    parameters: int
    flops: int
    latency: float | None


class Front(TypedDict):
    """The front of a search, the cheapest first."""

    metric: str
    cost: str
    items: list[FrontPoint]


class Key(TypedDict):
    """An API key, without its secret."""

    id: str
    name: str
    role: str
    prefix: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class CreatedKey(Key):
    """A new API key with its secret, shown this once."""

    key: str


#: Statuses that a search does not leave any more.
ENDED = frozenset({"completed", "stopped", "failed"})
