"""Suggesting in a process of its own: the rows of an answer, and a process that takes one core."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import pytest
from threadpoolctl import threadpool_info

from api.controller import suggesting
from api.models import Trial
from api.store.trial_rows import StoredSnapshot
from core import morphisms
from core.graph.roots import roots
from core.protocol.contracts import Bounds
from tests.histories import SPEC

ROOT = roots(SPEC, Bounds())[0]


def test_a_suggestion_takes_one_thread_of_linear_algebra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=suggesting.prepare) as pool:
        libraries = pool.submit(threadpool_info).result()

    assert {library["user_api"] for library in libraries} >= {"blas"}
    assert {library["num_threads"] for library in libraries} == {1}


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
        "latency": 0.001, "has_weights": True, "parent_id": None, "choices": {},
        "architecture": json.dumps(ROOT.to_json()), "morphisms": "[]",
    }  # fmt: skip
    return row | changes


def test_the_rows_of_an_answer_have_the_numbers_that_follow() -> None:
    rows = suggesting.answer(stored(ended(0), ended(1)))

    assert [row["number"] for row in rows] == [2, 3, 4, 5, 6]


def test_an_answer_has_columns_of_a_trial() -> None:
    (row, *_) = suggesting.answer(stored(ended(0)))

    assert set(row) <= set(Trial.__table__.columns.keys())


def test_a_child_names_its_parent_and_describes_each_morphism() -> None:
    for row in suggesting.answer(stored(ended(0))):
        (step,) = row["morphisms"]
        morphism = morphisms.from_json(step["data"])
        assert (row["parent_id"], row["inherited"]) == (UUID(int=100), True)
        assert step["text"] == morphism.describe(ROOT)
        assert morphism.apply(ROOT).to_json() == row["architecture"]
        assert row["fingerprint"] == morphism.apply(ROOT).fingerprint


@pytest.mark.parametrize("changes", [{"has_weights": False}, {"status": "infeasible"}])
def test_without_weights_of_a_parent_a_suggestion_is_a_root(changes: dict[str, Any]) -> None:
    for row in suggesting.answer(stored(ended(0, **changes))):
        assert (row["parent_id"], row["morphisms"], row["inherited"]) == (None, [], False)


def test_the_remaining_epochs_are_shared_out_in_turn() -> None:
    search = stored(ended(0), epochs_left=25, training={"epochs": 10})

    rows = suggesting.answer(search)

    assert [row["epochs_reserved"] for row in rows] == [10, 10, 5]
    assert [row["hyperparameters"]["epochs"] for row in rows] == [10, 10, 5]


def test_in_a_timed_search_hyperparameters_wait_for_the_lease() -> None:
    rows = suggesting.answer(stored(ended(0), budget={"seconds": 600.0}))

    assert {row["hyperparameters"] for row in rows} == {None}
