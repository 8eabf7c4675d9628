"""The next trials of a search, computed from a stored snapshot."""

import dataclasses
import json
import math
from typing import Any
from uuid import UUID

import pytest

from api.controller.suggestions import answer, clipped
from api.models.trials import Trial
from api.store.snapshots import CompletedSearch, StoredSnapshot
from benchmarks.histories import SPEC, history
from core import morphisms
from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds

ROOT = roots(SPEC, Bounds())[0]


def stored(*rows: dict[str, Any], epochs_left: int | None = None, **config: Any) -> StoredSnapshot:
    """A search of one root, asked for five random morphs of the trials it has."""
    usual = {"strategy": "random", "budget": {"trials": 7}, "parallelism": 5}
    return StoredSnapshot(
        search_id=UUID(int=1),
        next_number=len(rows),
        count=5,
        config=usual | config,
        bounds={},
        dataset=SPEC.model_dump(mode="json"),
        elapsed=1.0,
        epochs_left=epochs_left,
        trials=rows,
    )


def ended(number: int, **changes: Any) -> dict[str, Any]:
    """A row of a completed trial, as the database gives it."""
    row = {
        "id": UUID(int=100 + number), "number": number, "status": "completed", "value": 0.5,
        "value_std": 0.01, "validation_loss": 1.0, "value_at_rung": None, "epochs": 3,
        "planned_epochs": 3, "seconds": 9.0, "max_seconds": None, "samples_per_second": 1e4,
        "latency": 0.001, "has_weights": True, "inherited": True, "parent_id": None, "choices": {},
        "network_id": None,
        "architecture": json.dumps(ROOT.to_json()), "morphisms": "[]",
    }  # fmt: skip
    return row | changes


def test_the_rows_of_an_answer_have_the_numbers_that_follow() -> None:
    rows = answer(stored(ended(0), ended(1)))

    assert [row["number"] for row in rows] == [2, 3, 4, 5, 6]


def test_an_answer_has_columns_of_a_trial() -> None:
    (row, *_) = answer(stored(ended(0)))

    assert set(row) <= set(Trial.__table__.columns.keys())


def test_a_child_names_its_parent_and_describes_each_morphism() -> None:
    for row in answer(stored(ended(0))):
        (step,) = row["morphisms"]
        morphism = morphisms.from_json(step["data"])
        assert (row["parent_id"], row["inherited"]) == (UUID(int=100), True)
        assert step["text"] == morphism.describe(ROOT)
        assert morphism.apply(ROOT).to_json() == row["architecture"]
        assert row["fingerprint"] == morphism.apply(ROOT).fingerprint


@pytest.mark.parametrize("changes", [{"has_weights": False}, {"status": "infeasible"}])
def test_without_weights_of_a_parent_a_suggestion_is_a_root(changes: dict[str, Any]) -> None:
    for row in answer(stored(ended(0, **changes))):
        assert (row["parent_id"], row["morphisms"], row["inherited"]) == (None, [], False)


def test_the_remaining_epochs_are_shared_out_in_turn() -> None:
    search = stored(ended(0), epochs_left=25, training={"epochs": 10})

    rows = answer(search)

    assert [row["epochs_reserved"] for row in rows] == [10, 10, 5]
    assert [row["hyperparameters"]["epochs"] for row in rows] == [10, 10, 5]


def test_in_a_timed_search_hyperparameters_wait_for_the_lease() -> None:
    rows = answer(stored(ended(0), budget={"seconds": 600.0}))

    assert {row["hyperparameters"] for row in rows} == {None}


def earlier_search(level: float) -> CompletedSearch:
    """A finished search in which larger networks were better."""
    rows = [
        ended(
            trial.number,
            architecture=json.dumps(trial.architecture.to_json()),
            value=level + 0.05 * math.log(trial.architecture.parameters),
        )
        for trial in history(10, seed=int(10 * level))
    ]
    config = {"strategy": "random", "budget": {"trials": 10}, "parallelism": 1}
    return CompletedSearch(config=config, dataset=SPEC.model_dump(mode="json"), trials=tuple(rows))


def test_an_answer_depends_on_the_finished_searches_it_learns_from() -> None:
    trials = [
        ended(
            trial.number,
            architecture=json.dumps(trial.architecture.to_json()),
            value=trial.value,
        )
        for trial in history(3, seed=1)
    ]
    alone = stored(*trials, strategy="bayesian")
    helped = dataclasses.replace(alone, earlier=tuple(map(earlier_search, (0.0, 0.1, 0.2))))

    def fingerprints(snapshot: StoredSnapshot) -> list[str]:
        return [row["fingerprint"] for row in answer(snapshot)]

    assert fingerprints(helped) == fingerprints(helped)
    assert fingerprints(helped) != fingerprints(alone)


def test_an_answer_has_the_estimated_memory_of_its_batches_below_what_ran_out() -> None:
    trials = [
        ended(one.number, architecture=json.dumps(one.architecture.to_json()), value=one.value)
        for one in history(3, seed=1)
    ]
    free = stored(*trials, strategy="random", training={"batch_size": 256})
    sizes = {number: memory_of(row) for number, row in enumerate(answer(free))}
    assert all(row["training_memory"] == sizes[number] for number, row in enumerate(answer(free)))
    tight = dataclasses.replace(free, exceeded_memory=max(sizes.values()))
    assert all(row["training_memory"] < max(sizes.values()) for row in answer(tight))


def memory_of(row: dict[str, Any]) -> int:
    return training_memory(Architecture.from_json(row["architecture"]).costs, 256)


@pytest.mark.parametrize(
    ("predicted", "stored"),
    [
        ((0.9, 0.02), (0.9, 0.02)),
        ((-0.34, 0.8), (0.0, 0.5)),
        ((1.02, 0.01), (1.0, 0.01)),
        ((None, None), (None, None)),
    ],
)
def test_a_prediction_of_a_share_is_clipped_to_zero_and_one(predicted: Any, stored: Any) -> None:
    assert clipped(*predicted, (0.0, 1.0)) == stored


def test_a_prediction_of_another_range_is_clipped_to_that() -> None:
    assert clipped(-30.0, 9.0, (-20.0, -4.0)) == (-20.0, 8.0)
    assert clipped(3.0, 1.0, (-20.0, float("inf"))) == (3.0, 1.0)
