"""The rows of new trials, with how each of them is trained."""

from collections.abc import Sequence
from typing import Any

from api.store import new_trials
from core.protocol.contracts import DatasetSpec, Hyperparameters, SearchConfig
from core.search import defaults, trial_training
from core.search.history import Suggestion
from core.tasks import measured


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
        rows.append(
            new_trials.new_row(
                suggestion, number, chosen, is_timed=is_timed, value_range=value_range
            )
        )
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
