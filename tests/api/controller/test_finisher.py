"""Decisions carried out: the search moves, its trials stop, its final fit is made, or nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from api.controller import finisher
from api.models.searches import Search
from api.store import live_searches, searches
from api.store.live_searches import LiveSearch
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.search.budget import (
    Complete,
    Decision,
    Fail,
    Finish,
    FitBest,
    StopWaiting,
    Suggest,
    Wait,
)

TESTED = {"status": "completed", "test_metric": 0.9, "test_loss": 0.1, "test_examples": 200}


@pytest.fixture
def live(world: Any) -> Callable[[], LiveSearch]:
    """Reads the only live search."""

    def read() -> LiveSearch:
        with world.sessions.begin() as session:
            (search,) = live_searches.live(session)
        return search

    return read


@pytest.fixture
def carry_out(world: Any) -> Callable[[LiveSearch, Decision], bool]:
    """Carries out a decision in a transaction."""

    def run(search: LiveSearch, decision: Decision) -> bool:
        with world.sessions.begin() as session:
            return finisher.carry_out(session, search, decision)

    return run


@pytest.fixture
def completed(world: Any) -> Callable[..., Any]:
    """Makes completed trials of a search, of different architectures."""
    spec = world.dataset_spec()
    known = (*roots(spec, Bounds()), *roots(spec, Bounds(parameters=5000)))

    def make(search: Any, index: int, value: float, **columns: Any) -> Any:
        blob, root = world.blob(), known[index]
        return world.trial(
            search, status="completed", value=value, architecture=root.to_json(),
            fingerprint=root.fingerprint, parameters=root.parameters, epochs=3, seconds=1.0,
            weights_key=blob.key, weights_bytes=blob.bytes, **columns,
        )  # fmt: skip

    return make


def test_a_search_finishes_once(world, live, carry_out) -> None:
    search = world.search()
    seen = live()
    assert carry_out(seen, Finish())
    assert world.get_search(search).status == SearchStatus.FINISHING
    assert not carry_out(seen, Finish())


def test_waiting_trials_stop_when_the_time_is_up(world, live, carry_out) -> None:
    trial = world.trial(world.search(status=SearchStatus.FINISHING))
    assert carry_out(live(), StopWaiting())
    assert (world.get(trial).status, world.get(trial).reason) == ("stopped", "the time is up")
    assert not carry_out(live(), StopWaiting())


def test_a_search_fails_with_its_reason(world, live, carry_out) -> None:
    search = world.search()
    assert carry_out(live(), Fail("no trial could be trained"))
    row = world.get_search(search)
    assert (row.status, row.reason) == (SearchStatus.FAILED, "no trial could be trained")


def test_a_search_completes_from_finishing_alone(world, live, carry_out, completed) -> None:
    search = world.search()
    assert not carry_out(live(), Complete())
    best = completed(search, 0, 0.5)
    world.trial(search, kind=TrialKind.FINAL, parent_id=best, **TESTED)
    world.set(Search, search, status=SearchStatus.FINISHING)
    assert carry_out(live(), Complete())
    assert world.get_search(search).status == SearchStatus.COMPLETED


@pytest.mark.parametrize("decision", [Wait(), Suggest(3)])
def test_what_the_finisher_does_not_decide_changes_nothing(
    world, live, carry_out, decision
) -> None:
    search = world.search()
    before = live()
    assert not carry_out(before, decision)
    assert live().next_number == before.next_number
    assert world.get_search(search).status == SearchStatus.RUNNING


@pytest.mark.parametrize("weights", ["inherited", "fresh"])
def test_the_final_fit_is_of_the_winner_and_made_once(
    world, live, carry_out, completed, weights
) -> None:
    search = world.search(
        status=SearchStatus.FINISHING, training=Training(final_weights=weights, ensemble=1)
    )
    completed(search, 0, 0.5)
    best = completed(search, 1, 0.9)
    seen = live()

    assert carry_out(seen, FitBest())
    assert not carry_out(seen, FitBest())

    *_, final = world.trials(search)
    assert (final.kind, final.number, final.parent_id) == (TrialKind.FINAL, 2, best)
    assert (final.status, final.members) == (TrialStatus.WAITING, [])
    assert final.architecture == world.get(best).architecture
    assert final.inherited == (weights == "inherited")
    assert len(world.trials(search)) == 3


def test_an_ensemble_joins_the_best_in_one_architecture(world, live, carry_out, completed) -> None:
    search = world.search(status=SearchStatus.FINISHING, training=Training(ensemble=2))
    for index, value in enumerate((0.7, 0.9)):
        completed(search, index, value)

    assert carry_out(live(), FitBest())

    first, second, final = world.trials(search)
    assert final.members == [1, 0]
    assert final.parent_id == second.id
    assert final.parameters == first.parameters + second.parameters


@pytest.mark.parametrize(
    ("value", "winner", "said"),
    [
        (0.895, 1, "trial 1 keeps the accuracy of the root within noise: 89.50 % ± 1.00 with "),
        (0.885, 0, "no smaller or faster network keeps the accuracy of the root within noise"),
    ],
)
def test_a_search_that_keeps_an_accuracy_ends_with_the_smallest_network_that_does(
    world, live, carry_out, completed, value, winner, said
) -> None:
    caller = world.caller()
    keeping = {"root": world.network(caller), "keep_accuracy": True, "cost": "parameters"}
    search = world.search(caller, status=SearchStatus.FINISHING, **keeping)
    for index, found in enumerate((0.9, value)):
        completed(search, index, found, value_std=0.01)

    assert carry_out(live(), FitBest())

    *_, final = world.trials(search)
    assert final.parent_id == world.trials(search)[winner].id
    with world.sessions.begin() as session:
        shown = searches.get(session, caller, search)
    assert shown.keep_accuracy
    assert shown.kept.startswith(said)
    assert f"{world.trials(search)[0].parameters:,} parameters" in shown.kept


def test_there_is_no_final_fit_without_a_value_or_after_a_change(
    world, live, carry_out, completed
) -> None:
    search = world.search(status=SearchStatus.FINISHING)
    assert not carry_out(live(), FitBest())
    completed(search, 1, 0.9)
    assert not carry_out(replace(live(), next_number=0), FitBest())
    assert {trial.kind for trial in world.trials(search)} == {TrialKind.SEARCH}


def test_a_search_deleted_meanwhile_has_no_final_fit(world, live, carry_out, completed) -> None:
    owner = world.caller()
    search = world.search(owner, status=SearchStatus.FINISHING)
    completed(search, 0, 0.5)
    seen = live()
    with world.sessions.begin() as session:
        searches.remove(session, owner, search)
    assert not carry_out(seen, FitBest())
