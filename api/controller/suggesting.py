"""Answering what to try next, in a process of its own: pure work from a question to recipes."""

import json
import multiprocessing
import os
import signal
import threading
from functools import lru_cache
from multiprocessing.connection import wait
from typing import Any

from threadpoolctl import threadpool_limits

from api.store.recipes import Past, Question, Recipe, described
from core import morphisms
from core.graph.architecture import Architecture
from core.protocol.contracts import (
    Bounds,
    DatasetSpec,
    Hyperparameters,
    SearchConfig,
    TrainingChoices,
)
from core.protocol.states import TrialStatus
from core.search import defaults
from core.search.step import PastTrial, Snapshot, Suggestion, step


def prepare() -> None:
    """Make a process ready to answer: it ends with its parent, and not by Ctrl-C before it.

    Its matrices are small: more than one thread each would only take cores from the trainers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def warm_up() -> None:
    """Nothing more than what importing this module does."""


def _end_with_parent() -> None:
    """End at once when the parent has died, even by kill -9: nobody wants the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def answer(question: Question) -> tuple[Recipe, ...]:
    """What to try next; raises core.errors.SpaceExhausted where nothing new is left.

    The same question has the same answer, so that a controller that died after asking does no
    harm. Where the epochs left do not suffice for all, there are fewer recipes than asked for.
    """
    recipes: list[Recipe] = []
    config = SearchConfig.model_validate(question.config)
    dataset = DatasetSpec.model_validate(question.dataset)
    left = question.epochs_left
    known = {past.trial_id: past for past in question.past}
    for suggestion in step(_snapshot(question, config, dataset)):
        if left is not None and left < 1:
            break
        parent = None if suggestion.parent_id is None else known[suggestion.parent_id]
        chosen = defaults.trial_hyperparameters(
            config,
            dataset,
            elapsed=question.elapsed,
            inherited=_inherits(parent),
            in_race=defaults.is_in_race(
                config, dataset, number=suggestion.number, inherited=_inherits(parent)
            ),
            choices=suggestion.choices,
        )
        if left is not None:
            chosen = chosen.model_copy(update={"epochs": min(chosen.epochs, left)})
        recipe = _recipe(suggestion, parent, chosen, config.budget.seconds is not None)
        recipes.append(recipe)
        left = None if left is None else left - recipe.epochs_reserved
    return tuple(recipes)


def _snapshot(question: Question, config: SearchConfig, dataset: DatasetSpec) -> Snapshot:
    bounds = Bounds.model_validate(question.bounds)
    return Snapshot(
        seed=config.seed,
        next_number=question.next_number,
        count=question.count,
        strategy=config.strategy,
        strategy_options=config.strategy_options,
        cost=config.cost,
        roots=defaults.race_roots(config, dataset, bounds),
        bounds=bounds,
        trials=tuple(seen(past) for past in question.past),
        goal=defaults.goal(config, dataset),
        example_seconds=defaults.example_seconds(config, dataset),
        promoted=defaults.promoted(config, dataset),
        alternatives=defaults.alternatives_tried(config, dataset),
        patience=defaults.patience(config),
        remaining=defaults.remaining_trials(
            config, created=question.next_number, elapsed=question.elapsed
        ),
    )


def seen(past: Past) -> PastTrial:
    """An earlier trial as strategies see it."""
    ended_well = past.status in {TrialStatus.COMPLETED, TrialStatus.STOPPED}
    return PastTrial(
        trial_id=past.trial_id,
        number=past.number,
        architecture=_architecture(past.architecture),
        status=past.status,
        value=past.value,
        value_std=past.value_std,
        validation_loss=past.validation_loss,
        value_at_rung=past.value_at_rung,
        inheritable=ended_well and past.has_weights,
        epochs=past.epochs or None,
        planned_epochs=_planned_epochs(past),
        seconds=past.seconds,
        samples_per_second=past.samples_per_second,
        latency=past.latency,
        parent_id=past.parent_id,
        morphisms=_morphisms(past.morphisms),
        choices=TrainingChoices.model_validate(past.choices),
    )


def _planned_epochs(past: Past) -> int | None:
    """The epochs that its training was meant for; at its own pace where seconds limit it."""
    if past.planned_epochs is None or not (past.max_seconds and past.seconds and past.epochs):
        return past.planned_epochs
    timely = round(past.epochs * past.max_seconds / past.seconds)
    return min(past.planned_epochs, max(past.epochs, timely))


def _inherits(parent: Past | None) -> bool:
    return parent is not None and parent.has_weights


@lru_cache(maxsize=20_000)
def _architecture(text: str) -> Architecture:
    """The architecture of a JSON text; the same trials come again in every question."""
    return Architecture.from_json(json.loads(text))


@lru_cache(maxsize=20_000)
def _morphisms(text: str) -> tuple[morphisms.AbstractMorphism, ...]:
    """The morphisms of a JSON text."""
    return tuple(morphisms.from_json(step["data"]) for step in json.loads(text))


def _recipe(
    suggestion: Suggestion, parent: Past | None, chosen: Hyperparameters, is_timed: bool
) -> Recipe:
    mean, std = believed(suggestion.predicted_mean, suggestion.predicted_std)
    return Recipe(
        number=suggestion.number,
        parent_id=suggestion.parent_id,
        morphisms=_steps(suggestion, parent),
        inherited=_inherits(parent),
        predicted_mean=mean,
        predicted_std=std,
        hyperparameters=None if is_timed else chosen.model_dump(mode="json"),
        epochs_reserved=chosen.epochs,
        choices=suggestion.choices.changes,
        **described(suggestion.architecture),
    )


def believed(mean: float | None, std: float | None) -> tuple[float | None, float | None]:
    """What a surrogate predicts, as a share: within 0 and 1, with a deviation of at most 1/2.

    The process itself knows no ends: where it expects a failure its median lies far below 0.
    No law on [0, 1] deviates by more than 1/2 (Popoviciu 1935).
    """
    return (
        None if mean is None else min(max(mean, 0.0), 1.0),
        None if std is None else min(std, 0.5),
    )


def _steps(suggestion: Suggestion, parent: Past | None) -> list[dict[str, Any]]:
    """The morphisms as data and in words; each speaks of the architecture before it."""
    steps = []
    before = None if parent is None else _architecture(parent.architecture)
    for morphism in suggestion.morphisms:
        data = morphisms.to_json(morphism)
        words = data["kind"].replace("_", " ") if before is None else morphism.describe(before)
        steps.append({"text": words, "data": data})
        before = before and morphism.apply(before)
    return steps
