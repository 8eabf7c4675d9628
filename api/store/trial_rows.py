"""Conversions between a trial's row and the values of `core.search`, as plain data without SQL.

The process that computes a suggestion converts, so that decoding thousands of architectures costs
the API process nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any
from uuid import UUID

from core import morphisms
from core.graph.architecture import Architecture
from core.protocol.contracts import Hyperparameters, TrainingChoices
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion

Row = Mapping[str, Any]  # values by column

#: Fields of a past trial that are not columns with the same values.
_CONVERTED = {
    "trial_id", "architecture", "status", "inheritable", "epochs", "planned_epochs", "share",
    "morphisms", "choices",
}  # fmt: skip
#: Columns of a trial that strategies see as they are; a new field of `PastTrial` joins by itself.
PLAIN = tuple(field.name for field in fields(PastTrial) if field.name not in _CONVERTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """What the next step of a search depends on, as the database keeps it.

    It is decoded where the step is computed, so that an unreadable search harms no other.
    """

    search_id: UUID
    next_number: int
    count: int  # suggestions requested
    config: Row  # core.protocol.contracts.SearchConfig
    bounds: Row  # core.protocol.contracts.Bounds
    dataset: Row  # core.protocol.contracts.DatasetSpec
    elapsed: float  # seconds since the search's start
    epochs_left: int | None  # that new trials may reserve; None: no limit
    trials: tuple[Row, ...]  # see `api.store.trials.past`


def past_trial(row: Row) -> PastTrial:
    """An earlier trial as strategies see it, from a row of `api.store.trials.past`."""
    status = TrialStatus(row["status"])
    ended_well = status in {TrialStatus.COMPLETED, TrialStatus.STOPPED}
    return PastTrial(
        trial_id=row["id"],
        architecture=_architecture(row["architecture"]),
        status=status,
        inheritable=ended_well and row["has_weights"],
        epochs=row["epochs"] or None,
        planned_epochs=_planned_epochs(row),
        morphisms=_morphisms(row["morphisms"]),
        choices=TrainingChoices.model_validate(row["choices"]),
        **{name: row[name] for name in PLAIN},
    )


def new_row(
    suggestion: Suggestion,
    number: int,
    hyperparameters: Hyperparameters,
    *,
    is_timed: bool,
    value_range: tuple[float, float],
) -> dict[str, Any]:
    """The columns of a new trial, with the epochs of its hyper-parameters reserved.

    Where the search is timed the hyper-parameters are chosen when a worker leases the trial, so
    they are not stored. `value_range` is that of the task type.
    """
    mean, std = clipped(suggestion.predicted_mean, suggestion.predicted_std, value_range)
    return {
        "number": number,
        "parent_id": suggestion.parent_id,
        "morphisms": _steps(suggestion),
        "inherited": suggestion.parent is not None,
        "predicted_mean": mean,
        "predicted_std": std,
        "hyperparameters": None if is_timed else hyperparameters.model_dump(mode="json"),
        "epochs_reserved": hyperparameters.epochs,
        "choices": suggestion.choices.changes,
        **architecture_columns(suggestion.architecture),
    }


def architecture_columns(architecture: Architecture) -> dict[str, Any]:
    """An architecture as the columns of a trial have it."""
    return {
        "architecture": architecture.to_json(),
        "fingerprint": architecture.fingerprint,
        "layers": len(architecture.nodes),
        "parameters": architecture.parameters,
        "flops": architecture.flops,
    }


def clipped(
    mean: float | None, std: float | None, value_range: tuple[float, float]
) -> tuple[float | None, float | None]:
    """A prediction clipped to what is possible for values within a range.

    A Gaussian process has no limits: where it expects a failure, its median is far below the least
    value. No distribution on [a, b] has a standard deviation above (b - a) / 2 (Popoviciu 1935).
    """
    least, greatest = value_range
    return (
        None if mean is None else min(max(mean, least), greatest),
        None if std is None else min(std, (greatest - least) / 2),
    )


def _planned_epochs(row: Row) -> int | None:
    """The epochs of a complete training; at the trial's own pace where seconds limit it."""
    planned: int | None = row["planned_epochs"]
    epochs: int = row["epochs"]
    seconds: float | None = row["seconds"]
    limit: float | None = row["max_seconds"]
    if planned is None or not (limit and seconds and epochs):
        return planned
    in_time = round(epochs * limit / seconds)
    return min(planned, max(epochs, in_time))


@lru_cache(maxsize=20_000)
def _architecture(text: str) -> Architecture:
    """The architecture of a JSON text; the same trials come again in every snapshot."""
    return Architecture.from_json(json.loads(text))


@lru_cache(maxsize=20_000)
def _morphisms(text: str) -> tuple[morphisms.AbstractMorphism, ...]:
    """The morphisms of a JSON text."""
    return tuple(morphisms.from_json(step["data"]) for step in json.loads(text))


def _steps(suggestion: Suggestion) -> list[dict[str, Any]]:
    """The morphisms as data and in words, each described on the architecture before it."""
    steps = []
    before = None if suggestion.parent is None else suggestion.parent.architecture
    for morphism in suggestion.morphisms:
        data = morphisms.to_json(morphism)
        words = data["kind"].replace("_", " ") if before is None else morphism.describe(before)
        steps.append({"text": words, "data": data})
        before = before and morphism.apply(before)
    return steps
