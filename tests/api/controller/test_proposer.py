"""Requests for suggestions: one open for a search, answered in a process, stored if they fit."""

import dataclasses
import json
import math
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api.controller import enqueued_trials
from api.controller.proposer import STRIKES, Proposer, answer
from api.models import Search, Trial
from api.store import live_searches, searches
from api.store.live_searches import CompletedSearch, StoredSnapshot
from benchmarks.histories import SPEC, history
from core import morphisms
from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.graph.roots import roots
from core.protocol.contracts import Bounds
from core.protocol.states import SearchStatus, TrialStatus

PATIENCE = 60.0  # seconds
ROOT = roots(SPEC, Bounds())[0]


class Asking:
    """A proposer, and the end of its next answer as an event."""

    def __init__(self, world: Any) -> None:
        self.answered = threading.Event()
        self.proposer = Proposer(world.sessions, 1, self.answered.set)
        self._world = world

    def request(self, search: UUID, count: int = 2) -> None:
        with self._world.sessions.begin() as session:
            (live,) = [one for one in live_searches.live(session) if one.search_id == search]
        self.proposer.request(live, count)

    def collect(self) -> None:
        """Store the answer that is awaited."""
        assert self.answered.wait(PATIENCE)
        self.proposer.collect()
        self.answered.clear()  # storing an answer wakes the controller as well


@pytest.fixture
def asking(world: Any) -> Iterator[Asking]:
    asking = Asking(world)
    yield asking
    asking.proposer.close()


def test_an_answer_is_stored_once_and_starts_a_pending_search(world, asking) -> None:
    search = world.search(status=SearchStatus.PENDING, strategy="random")

    asking.request(search)
    asking.request(search)  # one is open: nothing happens
    asking.collect()
    asking.proposer.collect()

    assert world.get_search(search).status == SearchStatus.RUNNING
    assert [trial.number for trial in world.trials(search)] == [0, 1]
    assert {trial.status for trial in world.trials(search)} == {TrialStatus.WAITING}
    world.audit()


def test_a_search_that_is_paused_as_it_is_about_to_begin_stays_paused(world, asking) -> None:
    owner = world.caller()
    search = world.search(owner, status=SearchStatus.PENDING, strategy="random")
    with world.sessions.begin() as session:
        (live,) = live_searches.live(session)
        searches.pause(session, owner, search)

    asking.proposer.request(live, 2)

    assert world.get_search(search).status == SearchStatus.PAUSED
    assert not asking.proposer._open
    with world.sessions.begin() as session:
        enqueued_trials.start(session, live, 2)
    assert world.get_search(search).status == SearchStatus.PAUSED


def test_an_answer_to_a_search_that_has_changed_is_dropped_and_the_next_one_fits(
    world, asking
) -> None:
    search = world.search(strategy="random")
    asking.request(search)
    assert asking.answered.wait(PATIENCE)
    other = world.trial(search)

    asking.collect()
    assert [trial.id for trial in world.trials(search)] == [other]

    world.set(Search, search, status=SearchStatus.PAUSED)
    asking.request(search)  # a paused search asks for nothing
    assert not asking.proposer._open


def test_errors_in_a_row_fail_the_search_with_their_message(world, asking, caplog) -> None:
    search = world.search(strategy="random")
    config = world.get_search(search).config
    world.set(Search, search, config=config | {"strategy": "gone"})

    for strike in range(STRIKES):
        assert world.get_search(search).status == SearchStatus.RUNNING, strike
        asking.request(search)
        asking.collect()

    row = world.get_search(search)
    assert row.status == SearchStatus.FAILED
    assert row.reason.startswith("no trial could be suggested: UnknownKind: unknown strategy")
    assert caplog.text.count("suggesting failed") == STRIKES


def test_a_process_that_dies_while_it_is_idle_costs_nothing(world, asking, caplog) -> None:
    search = world.search(strategy="random")
    for _ in range(2):
        before = len(world.trials(search))
        asking.request(search)
        asking.collect()
        assert len(world.trials(search)) > before
        for child in asking.proposer._pool._children:
            child._process.kill()

    assert "suggesting failed" not in caplog.text


def test_where_no_process_starts_the_search_goes_on_once_one_does(
    world, asking, monkeypatch
) -> None:
    search = world.search(strategy="random")

    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", refuse)
        for _ in range(STRIKES):
            asking.request(search)
            asking.collect()
    assert world.get_search(search).status == SearchStatus.RUNNING

    asking.request(search)
    asking.collect()
    assert len(world.trials(search)) == 2


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
