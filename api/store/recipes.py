"""How trials are made: what suggesting needs of a search, and the recipe that comes back.

Plain values without SQL, as they travel to the processes that suggest.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.graph.architecture import Architecture
from core.protocol.states import TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An earlier trial of the search."""

    trial_id: UUID
    number: int
    architecture: str  # JSON text
    status: TrialStatus
    value: float | None
    value_std: float | None
    has_weights: bool
    epochs: int  # of the attempt that counted
    planned_epochs: int | None  # None: not decided yet
    seconds: float | None  # of its training
    max_seconds: float | None  # when its training would have ended, whatever the epochs
    latency: float | None  # seconds for one example
    validation_loss: float | None = None
    value_at_rung: float | None = None
    samples_per_second: float | None = None
    parent_id: UUID | None = None
    morphisms: str = "[]"  # JSON text, as in `Recipe.morphisms`
    choices: dict[str, Any] = field(default_factory=dict)  # core.protocol.contracts.TrainingChoices


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What should be tried next? All that the answer depends on, as the database keeps it.

    It is read where it is answered, so that a search that cannot be read harms no other.
    """

    search_id: UUID
    next_number: int
    count: int
    config: dict[str, Any]  # core.protocol.contracts.SearchConfig
    bounds: dict[str, Any]  # core.protocol.contracts.Bounds
    dataset: dict[str, Any]  # core.protocol.contracts.DatasetSpec
    elapsed: float  # seconds since the search's start
    epochs_left: int | None  # that new trials may reserve
    past: tuple[Past, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A trial to be made: a suggestion as the database keeps it."""

    number: int
    parent_id: UUID | None
    morphisms: list[dict[str, Any]]  # {"text": ..., "data": ...}
    architecture: dict[str, Any]
    fingerprint: str
    layers: int
    parameters: int
    flops: int
    inherited: bool
    predicted_mean: float | None
    predicted_std: float | None
    hyperparameters: dict[str, Any] | None  # None: decided when a worker leases the trial
    epochs_reserved: int
    choices: dict[str, Any] = field(default_factory=dict)  # core.protocol.contracts.TrainingChoices


def described(architecture: Architecture) -> dict[str, Any]:
    """An architecture as the columns of a trial have it."""
    return {
        "architecture": architecture.to_json(),
        "fingerprint": architecture.fingerprint,
        "layers": len(architecture.nodes),
        "parameters": architecture.parameters,
        "flops": architecture.flops,
    }
