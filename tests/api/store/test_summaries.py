"""Summaries of searches: what their trials have come to, for many searches at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.searches import SearchOut
from api.store import searches, summaries
from api.store.errors import NotFound
from core.protocol.states import SearchStatus, TrialKind

TESTED = {"test_metric": 0.9, "test_loss": 0.1, "test_examples": 200}


def summarised(world: Any, *ids: UUID) -> list[SearchOut]:
    """The summaries of some searches."""
    with world.sessions.begin() as session:
        return summaries.of(session, [session.get_one(Search, one) for one in ids])


def test_a_search_tells_what_its_trials_have_come_to(world) -> None:
    search = world.search()
    root = world.trial(search, status="completed", value=0.5, epochs_spent=3)
    world.trial(search, status="completed", value=0.7, epochs_spent=2, inherited=True)
    world.trial(search, status="completed", value=0.7, epochs_spent=2, inherited=True)
    world.trial(search, status="failed", inherited=True)
    world.trial(search)
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=root, status="completed", epochs_spent=50, **TESTED
    )

    (out,) = summarised(world, search)

    assert out.trial_counts == {"completed": 3, "failed": 1, "waiting": 1}
    assert (out.used.trials, out.used.epochs, out.trials_inherited) == (4, 7, 2)
    assert out.best is not None
    assert (out.best.number, out.best.value) == (1, 0.7)
    assert out.final is not None
    assert (out.final.of_number, out.final.test_metric) == (0, 0.9)


def test_a_new_search_has_used_nothing_and_found_nothing(world) -> None:
    (out,) = summarised(world, world.search(status=SearchStatus.PENDING))
    assert (out.used.trials, out.used.epochs, out.used.seconds) == (0, 0, 0)
    assert (out.trial_counts, out.trials_inherited) == ({}, 0)
    assert (out.best, out.final, out.compute_in_winner) == (None, None, None)
    assert (out.metric, out.dataset.name) == ("accuracy", "data 1")


def test_many_searches_are_summarised_apart_in_the_given_order(world) -> None:
    values = {world.search(): value for value in (0.3, 0.1, 0.2)}
    for number, (search, value) in enumerate(values.items()):
        for _ in range(number + 1):
            world.trial(search, status="completed", value=value)

    found = summarised(world, *values)

    assert [one.id for one in found] == list(values)
    assert [one.best.value for one in found if one.best] == list(values.values())
    assert [one.used.trials for one in found] == [1, 2, 3]


def test_three_searches_need_no_more_queries_than_one(world) -> None:
    ids = [world.search() for _ in range(3)]
    with world.sessions.begin() as session:
        rows = [session.get_one(Search, one) for one in ids]
        sent: list[str] = []
        event.listen(session.connection(), "before_cursor_execute", lambda *a: sent.append(a[2]))
        summaries.of(session, rows[:1])
        alone = len(sent)
        summaries.of(session, rows)
    assert (alone, len(sent)) == (6, 12)


def test_epochs_of_running_trials_count_as_they_are_reported(world, take) -> None:
    search = world.search()
    trial = world.trial(search, epochs_spent=2)
    take()
    world.set(Lease, trial, epochs=3)

    (out,) = summarised(world, search)

    assert (out.trial_counts, out.used.trials, out.used.epochs) == ({"running": 1}, 0, 2 + 3)


def test_the_seconds_used_stop_at_the_end_of_the_search(world) -> None:
    running, ended, ahead = world.search(), world.search(), world.search()
    now = datetime.now(UTC)
    world.set(Search, running, started_at=now - timedelta(seconds=600))
    world.set(
        Search, ended, status=SearchStatus.STOPPED,
        started_at=now - timedelta(seconds=600), ended_at=now - timedelta(seconds=500),
    )  # fmt: skip
    world.set(Search, ahead, started_at=now + timedelta(seconds=600))  # the clock was set back

    seconds = [one.used.seconds for one in summarised(world, running, ended, ahead)]

    assert seconds == [pytest.approx(600, abs=60), pytest.approx(100, abs=0.01), 0]


def test_the_final_fit_is_never_the_best_trial(world) -> None:
    search = world.search()
    best = world.trial(search, status="completed", value=0.5, value_std=0.01, parameters=70)
    world.trial(search, status="stopped", value=0.4)
    world.trial(search, kind=TrialKind.FINAL, parent_id=best, status="completed", value=0.9)

    (out,) = summarised(world, search)

    assert out.best is not None
    assert (out.best.trial_id, out.best.value, out.best.value_std) == (best, 0.5, 0.01)


@pytest.mark.parametrize("missing", TESTED)
def test_a_final_fit_is_shown_once_it_has_been_tested(world, missing) -> None:
    search = world.search()
    parent = world.trial(search, status="completed", value=0.5)
    columns = TESTED | {missing: None}
    final = world.trial(search, kind=TrialKind.FINAL, parent_id=parent, **columns)
    assert summarised(world, search)[0].final is None
    world.set(Trial, final, **TESTED)
    assert summarised(world, search)[0].final is not None


@pytest.mark.parametrize(
    ("exported", "members", "parameters"), [("final", [1, 0], 140), ("winner", [], 70)]
)
def test_a_winner_exported_in_place_of_an_ensemble_is_shown_as_the_final_network(
    world, exported, members, parameters
) -> None:
    search = world.search()
    world.trial(search, status="completed", value=0.5)
    best = world.trial(search, status="completed", value=0.6, parameters=70)
    compared = {"examples": 9, "before": 0.9, "after": 0.8, "exported": exported, "reason": "so"}
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=best, members=[1, 0], parameters=140,
        comparison=compared, **TESTED,
    )  # fmt: skip

    final = summarised(world, search)[0].final

    assert final is not None
    assert (final.of_number, final.members, final.parameters) == (1, members, parameters)
    assert final.ensemble == ("an ensemble of trials 0 and 1" if members else "")


def test_no_searches_have_no_summaries(world) -> None:
    assert summarised(world) == []


def test_a_status_is_never_older_than_the_version_that_is_shown_with_it(world) -> None:
    search = world.search()
    with world.sessions.begin() as reading:
        row = reading.get_one(Search, search)
        with world.sessions.begin() as writing:
            before = summaries.of(writing, [writing.get_one(Search, search)])[0].version
            assert searches.move(writing, search, SearchStatus.FINISHING)
        (out,) = summaries.of(reading, [row])
    assert out.version > before
    assert out.status is SearchStatus.FINISHING


def test_a_search_that_is_deleted_while_it_is_read_is_left_out(world) -> None:
    kept, deleted = world.search(), world.search()
    with world.sessions.begin() as reading:
        rows = [reading.get_one(Search, one) for one in (deleted, kept)]
        with world.sessions.begin() as writing:
            writing.delete(writing.get_one(Search, deleted))
        (out,) = summaries.of(reading, rows)
    assert out.id == kept


#: What an outline leaves out: it does not look at all the trials.
UNSEEN = {
    "used", "trial_counts", "trials_inherited", "compute_in_winner", "final", "kept", "reason",
    "seconds_left", "now",
}  # fmt: skip


def test_an_outline_is_the_search_without_what_all_its_trials_came_to(world) -> None:
    caller = world.caller()
    one, other = world.search(caller), world.search(caller)
    world.trial(one, status="completed", value=0.5, epochs_spent=3)
    world.trial(one, status="completed", value=0.7, epochs_spent=2)
    with world.sessions.begin() as session:
        whole = [searches.get(session, caller, key) for key in (other, one)]
        outlines = searches.outlines(session, caller, [other, one])
    assert [found.model_dump(exclude=UNSEEN) for found in outlines] == [
        found.model_dump(exclude=UNSEEN) for found in whole
    ]
    assert outlines[1].best is not None


def test_several_searches_are_summarised_in_the_given_order(world) -> None:
    caller = world.caller()
    ids = [world.search(caller) for _ in range(3)][::-1]
    world.trial(ids[1], status="completed", value=0.5, epochs_spent=3)
    varying = {"now": True, "seconds_left": True, "used": {"seconds"}}
    with world.sessions.begin() as session:
        found = searches.several(session, caller, ids)
        alone = [searches.get(session, caller, key) for key in ids]
    assert [one.model_dump(exclude=varying) for one in found] == [
        one.model_dump(exclude=varying) for one in alone
    ]


@pytest.mark.parametrize("read", [searches.outlines, searches.several])
def test_none_of_some_searches_is_read_where_one_is_anothers(world, read) -> None:
    caller, stranger = world.caller(), world.caller()
    own, other, shared = world.search(caller), world.search(stranger), world.search(stranger)
    world.set(Search, shared, shared=True)
    with world.sessions.begin() as session:
        assert [one.id for one in read(session, caller, [shared, own])] == [shared, own]
        with pytest.raises(NotFound, match=f"no search {other}"):
            read(session, caller, [own, other])
