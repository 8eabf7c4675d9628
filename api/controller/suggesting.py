"""Suggesting trials in a process of its own: pure work from a stored snapshot to new rows."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import Any

from threadpoolctl import threadpool_limits

from api.store.trial_rows import StoredSnapshot, new_row, past_trial
from core.protocol.contracts import Bounds, DatasetSpec, Hyperparameters, SearchConfig
from core.search import defaults
from core.search.history import Suggestion
from core.search.step import Snapshot, step
from core.tasks import TASKS


def prepare() -> None:
    """Make a process ready to suggest: it ends when its parent ends, and ignores Ctrl-C.

    Its matrices are small: more than one thread each would only take cores from the trainers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def warm_up() -> None:
    """Do nothing: importing this module is the work."""


def _end_with_parent() -> None:
    """End at once when the parent has died, even by kill -9: nobody waits for the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def answer(stored: StoredSnapshot) -> tuple[dict[str, Any], ...]:
    """The rows of the next trials of a search, as `api.store.trials.add` takes them.

    An equal snapshot has the same answer, so that a controller that died after asking does no
    harm. Where the epochs left do not suffice for all, there are fewer rows than requested.

    Raises:
        SpaceExhausted: no new architecture is left; wait for trials in flight, or finish.
    """
    config = SearchConfig.model_validate(stored.config)
    dataset = DatasetSpec.model_validate(stored.dataset)
    is_timed = config.budget.seconds is not None
    value_range = TASKS[config.task].value_range
    left = stored.epochs_left
    rows: list[dict[str, Any]] = []
    suggestions = step(_snapshot(stored, config, dataset))
    for number, suggestion in enumerate(suggestions, start=stored.next_number):
        if left is not None and left < 1:
            break
        chosen = _hyperparameters(suggestion, number, config, dataset, stored.elapsed)
        if left is not None:
            chosen = chosen.model_copy(update={"epochs": min(chosen.epochs, left)})
            left -= chosen.epochs
        rows.append(new_row(suggestion, number, chosen, is_timed=is_timed, value_range=value_range))
    return tuple(rows)


def _hyperparameters(
    suggestion: Suggestion, number: int, config: SearchConfig, dataset: DatasetSpec, elapsed: float
) -> Hyperparameters:
    inherited = suggestion.parent is not None
    return defaults.trial_hyperparameters(
        config,
        dataset,
        elapsed=elapsed,
        inherited=inherited,
        morphed=bool(suggestion.morphisms),
        in_race=defaults.is_in_race(config, dataset, number=number, inherited=inherited),
        choices=suggestion.choices,
    )


def _snapshot(stored: StoredSnapshot, config: SearchConfig, dataset: DatasetSpec) -> Snapshot:
    bounds = Bounds.model_validate(stored.bounds)
    return Snapshot(
        seed=config.seed,
        next_number=stored.next_number,
        count=stored.count,
        strategy=config.strategy,
        strategy_options=config.strategy_options,
        cost=config.cost,
        roots=defaults.race_roots(config, dataset, bounds),
        bounds=bounds,
        trials=tuple(past_trial(row) for row in stored.trials),
        goal=defaults.goal(config, dataset),
        example_seconds=defaults.example_seconds(config, dataset),
        promoted=defaults.promoted(config, dataset),
        split_seeds=defaults.split_seeds(config, dataset),
        alternatives=defaults.alternatives_tried(config, dataset),
        patience=defaults.patience(config),
        remaining=defaults.remaining_trials(
            config, created=stored.next_number, elapsed=stored.elapsed
        ),
    )
