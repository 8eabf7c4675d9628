"""Trials as people see them: running and ended ones, origins in words, the export."""

from typing import Any
from uuid import uuid4

import pytest

from api.models.trials import Trial
from api.store import pages, training_reports, trials
from api.store.errors import NotFound
from core.protocol.states import SearchStatus, TrialKind
from tests.api.store.reports import LEASE, beat, epoch_of


@pytest.fixture
def get(world: Any) -> Any:
    """A trial as its owner sees it."""

    def read(caller: Any, trial_id: Any) -> Any:
        with world.sessions.begin() as session:
            return trials.get(session, caller, trial_id)

    return read


def test_a_running_trial_shows_its_progress_and_an_ended_one_its_result(
    world, do, take, report, get
) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    held = take()
    do(training_reports.heartbeat, trial, beat(held, 70), LEASE)
    do(training_reports.epoch, trial, epoch_of(held, 2), LEASE)
    running = get(caller, trial)
    report(held, value=0.5, epochs=3)
    ended = get(caller, trial)

    assert (running.status, running.step, running.epochs) == ("running", 70, 2)
    assert (ended.status, ended.step, ended.epochs, ended.value) == ("completed", None, 3, 0.5)
    assert ended.worker == "worker"


def test_the_origin_of_a_trial_is_shown_as_data_and_in_words(world, get) -> None:
    caller = world.caller()
    search = world.search(caller)
    root = world.trial(search)
    step = {"text": "widen convolution 3", "data": {"kind": "widen", "extra": 4}}
    child = world.trial(
        search, parent_id=root, morphisms=[step], choices={"mixing": 0.2}, architecture={"n": 1}
    )

    first, second = get(caller, root), get(caller, child)

    assert (first.parent_number, first.morphisms, first.changes) == (None, [], "")
    assert (second.parent_number, second.parent_id) == (0, root)
    assert [(one.kind, one.text) for one in second.morphisms] == [("widen", "widen convolution 3")]
    assert second.morphisms[0].data == step["data"]
    assert second.changes == "mixing 0.2"
    assert (second.architecture, second.parent_architecture) == (
        {"n": 1}, {"version": 1, "nodes": []}
    )  # fmt: skip


@pytest.mark.parametrize("cursor_number", [-(10**40), -1, 10**40])
def test_a_cursor_beyond_any_number_of_a_trial_is_a_cursor(world, cursor_number) -> None:
    caller = world.caller()
    search = world.search(caller)
    world.trial(search)
    with world.sessions.begin() as session:
        page = trials.listing(session, caller, search, cursor=pages.encode(cursor_number))
    assert len(page.items) == (1 if cursor_number < 0 else 0)


def test_only_search_trials_with_a_value_are_on_a_front(world) -> None:
    search = world.search()
    best = world.trial(search, value=0.5)
    world.trial(search)
    world.trial(search, kind=TrialKind.FINAL, parent_id=best, value=0.9)
    world.trial(world.search(), value=0.7)
    with world.sessions.begin() as session:
        assert [point.trial_id for point in trials.with_value(session, search)] == [best]


def test_an_export_is_found_once_the_final_fit_has_one(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    best = world.trial(search, value=0.5)
    final = world.trial(search, kind=TrialKind.FINAL, parent_id=best)
    export = world.blob("exports")
    with world.sessions.begin() as session, pytest.raises(NotFound, match="no exported model yet"):
        trials.export_of(session, caller, search)
    stopped = world.search(caller, status=SearchStatus.STOPPED)
    with (
        world.sessions.begin() as session,
        pytest.raises(NotFound, match="is stopped and has no exported model"),
    ):
        trials.export_of(session, caller, stopped)
    world.set(Trial, final, export_key=export.key, export_bytes=10)
    with world.sessions.begin() as session:
        assert trials.export_of(session, caller, search) == export
        with pytest.raises(NotFound, match="there is no search"):
            trials.export_of(session, caller, uuid4())


def test_more_trials_than_a_statement_has_parameters_are_read_at_once(world) -> None:
    search = world.search()
    trial = world.trial(search)
    with world.sessions.begin() as session:
        found = trials.some(session, search, [trial, *(uuid4() for _ in range(66_000))])
    assert [one.id for one in found] == [trial]
