"""The next trials of a search, from a stored snapshot to rows: pure, in a process of the pool.

That process needs neither the database nor the web framework: importing them would take it as long
as all it needs.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from api.store.snapshots import PLAIN, CompletedSearch, Row, StoredSnapshot
from core import morphisms
from core.graph.architecture import Architecture
from core.graph.bounds import ExceededMemory
from core.graph.cost import training_memory
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialStatus
from core.search import defaults, pace, splits, trial_training
from core.search.history import PastTrial, Suggestion
from core.search.lineage import with_shares
from core.search.recipe import batch_size_of
from core.search.step import Snapshot, step
from core.tasks import measured


def warm(_: None) -> None:
    """Import what suggestions are computed with."""
    from core.search import acquisition, beliefs  # noqa: F401, PLC0415


def answer(stored: StoredSnapshot) -> tuple[dict[str, Any], ...]:
    """The rows of the next trials of a search, as `api.store.new_trials.add` takes them.

    An equal snapshot has the same answer, so that a controller that died after asking does no
    harm. Where the epochs left do not suffice for all, there are fewer rows than requested.

    Raises:
        SpaceExhausted: no new architecture is left; wait for trials in flight, or finish.
    """
    config = SearchConfig.model_validate(stored.config)
    dataset = DatasetSpec.model_validate(stored.dataset)
    return rows_of(
        step(_snapshot(stored, config, dataset)),
        first=stored.next_number,
        config=config,
        dataset=dataset,
        elapsed=stored.elapsed,
        epochs_left=stored.epochs_left,
    )


def _snapshot(stored: StoredSnapshot, config: SearchConfig, dataset: DatasetSpec) -> Snapshot:
    from core.search.beliefs import prior_mean_of  # noqa: PLC0415 (slow; needed here alone)

    bounds = Bounds.model_validate(stored.bounds)
    best = measured(config).value_range[1]
    root = None if stored.root is None else Architecture.from_json(stored.root)
    trials = tuple(past_trial(row, best) for row in stored.trials)
    slowness = defaults.slowness(trials)
    return Snapshot(
        seed=config.seed,
        next_number=stored.next_number,
        count=stored.count,
        strategy=config.strategy,
        strategy_options=config.strategy_options,
        cost=config.cost,
        keeps_value=bool(config.keep_accuracy),
        roots=defaults.race_roots(config, dataset, bounds, root, trials),
        bounds=bounds,
        trials=trials,
        goal=pace.goal(config, dataset),
        example_seconds=pace.example_seconds(config, dataset),
        promoted=defaults.promoted(config, dataset, slowness),
        split_seeds=splits.split_seeds(config, dataset),
        alternatives=defaults.alternatives_tried(config, dataset, slowness),
        patience=pace.patience(config),
        remaining=pace.remaining_trials(
            config, dataset, created=len(stored.trials), elapsed=stored.elapsed
        ),
        exceeded_memory=_exceeded_memory(stored, config, dataset),
        prior_mean=prior_mean_of([_ended_trials(one) for one in stored.earlier]),
    )


def _exceeded_memory(
    stored: StoredSnapshot, config: SearchConfig, dataset: DatasetSpec
) -> ExceededMemory | None:
    if stored.exceeded_memory is None:
        return None
    return ExceededMemory(stored.exceeded_memory, batch_size_of(config, dataset))


def _ended_trials(search: CompletedSearch) -> list[PastTrial]:
    """The trials of a finished search, each with the share of its training that it has had."""
    config = SearchConfig.model_validate(search.config)
    best = measured(config).value_range[1]
    trials = [past_trial(row, best) for row in search.trials]
    goal = pace.goal(config, DatasetSpec.model_validate(search.dataset))
    return [one for one in with_shares(trials, goal) if not one.is_pending]


def rows_of(
    suggestions: Sequence[Suggestion],
    *,
    first: int,
    config: SearchConfig,
    dataset: DatasetSpec,
    elapsed: float,
    epochs_left: int | None,
) -> tuple[dict[str, Any], ...]:
    """The rows of trials, the first with the number `first`, as `new_trials.add` takes them.

    Where the epochs left do not suffice for all, there are fewer rows than suggestions.
    """
    is_timed = config.budget.seconds is not None
    value_range = measured(config).value_range
    left = epochs_left
    rows: list[dict[str, Any]] = []
    for number, suggestion in enumerate(suggestions, start=first):
        if left is not None and left < 1:
            break
        chosen = _hyperparameters(suggestion, number, config, dataset, elapsed)
        if left is not None:
            chosen = chosen.model_copy(update={"epochs": min(chosen.epochs, left)})
            left -= chosen.epochs
        rows.append(_row(suggestion, number, chosen, is_timed=is_timed, value_range=value_range))
    return tuple(rows)


def _hyperparameters(
    suggestion: Suggestion, number: int, config: SearchConfig, dataset: DatasetSpec, elapsed: float
) -> Hyperparameters:
    inherited = suggestion.parent is not None
    return trial_training.trial_hyperparameters(
        config,
        dataset,
        elapsed=elapsed,
        inherited=inherited,
        morphed=bool(suggestion.morphisms),
        in_race=defaults.is_in_race(config, dataset, number=number, inherited=inherited),
        choices=suggestion.choices,
    )


def _row(
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
        "training_memory": training_memory(
            suggestion.architecture.costs, hyperparameters.batch_size
        ),
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


def past_trial(row: Row, best_value: float = 1.0) -> PastTrial:
    """An earlier trial as strategies see it, from a row of `api.store.live_searches.past`.

    `best_value` is the best that any trial of its task type can have.
    """
    status = TrialStatus(row["status"])
    ended_well = status in {TrialStatus.COMPLETED, TrialStatus.STOPPED}
    return PastTrial(
        trial_id=row["id"],
        best_value=best_value,
        architecture=_architecture(row["architecture"]),
        status=status,
        inheritable=ended_well and row["has_weights"],
        epochs=row["epochs"] or None,
        planned_epochs=_planned_epochs(row),
        # A child that could not start from its parent's weights is a start of its own.
        parent_id=row["parent_id"] if row["inherited"] else None,
        morphisms=_morphisms(row["morphisms"]) if row["inherited"] else (),
        choices=TrainingChoices.model_validate(row["choices"]),
        **{name: row[name] for name in PLAIN},
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
