"""Live searches: their progress, counted as a walk over the rows does, and their snapshots."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.controller.suggestions import past_trial
from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Trial
from api.store import leases, live_searches, results, training_reports
from api.store.keys import Caller
from api.store.live_searches import LiveSearch
from api.store.snapshots import StoredSnapshot
from benchmarks.histories import SPEC
from core.graph.roots import roots
from core.morphisms import to_json
from core.morphisms.widen import Widen
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.reports import Heartbeat
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialKind, TrialStatus
from core.search.budget import FAILURES_IN_A_ROW
from core.search.history import PastTrial

ARCHITECTURE = roots(SPEC, Bounds())[0].to_json()


@pytest.fixture
def live(world: Any) -> Any:
    """The live searches as the controller reads them."""

    def read() -> list[LiveSearch]:
        with world.sessions.begin() as session:
            return live_searches.live(session)

    return read


def ended(world: Any, search: Any, status: str, seconds_ago: int, **columns: Any) -> Any:
    """A trial of the search that has ended."""
    trial = world.trial(search, status=status, report_digest=b"", **columns)
    world.set(Trial, trial, ended_at=text(f"now() - interval '{seconds_ago} seconds'"))
    return trial


def test_live_searches_are_read_with_the_oldest_first(world, live) -> None:
    search = world.search()
    for status in SearchStatus:
        world.set(Search, search, status=status)
        assert [one.search_id for one in live()] == ([search] if status in LIVE_SEARCH else [])
    world.set(Search, search, status=SearchStatus.PAUSED)
    newer = world.search()
    assert [one.search_id for one in live()] == [search, newer]


def test_a_new_search_has_used_nothing(world, live) -> None:
    world.search(status=SearchStatus.PENDING, budget=Budget(trials=7), parallelism=3)
    (search,) = live()
    progress = search.progress
    assert (search.next_number, progress.created, progress.elapsed) == (0, 0, 0)
    assert (progress.trial_limit, progress.epoch_limit, progress.parallelism) == (7, None, 3)
    assert (progress.waiting, progress.running, progress.failures) == (0, 0, 0)
    assert (progress.final, progress.final_tested, progress.has_best) == (None, False, False)


def test_trials_are_counted_by_what_they_do(world, live, take) -> None:
    search = world.search()
    for _ in range(3):
        world.trial(search)
    take()
    ended(world, search, "completed", 1, value=0.5)
    ended(world, search, "stopped", 2)

    progress = live()[0].progress
    assert (progress.created, progress.waiting, progress.running) == (5, 2, 1)
    assert progress.has_best


@pytest.mark.parametrize(
    ("ends", "failures", "reason"),
    [
        ([], 0, ""),
        (["failed", "lost"], 2, "trial 0"),
        (["failed", "completed", "failed"], 1, "trial 0"),
        (["completed", "failed", "failed"], 0, ""),
        (["infeasible", "failed"], 0, ""),
        (["failed"] * (FAILURES_IN_A_ROW + 3), FAILURES_IN_A_ROW, "trial 0"),
    ],
)
def test_failures_in_a_row_are_counted_from_the_last_end_back(
    world, live, ends, failures, reason
) -> None:
    """`ends` go from the newest to the oldest."""
    search = world.search()
    for seconds_ago, status in enumerate(ends):
        value = 0.5 if status == "completed" else None
        ended(world, search, status, seconds_ago, reason=f"trial {seconds_ago}", value=value)

    progress = live()[0].progress
    assert (progress.failures, progress.failure if failures else "") == (failures, reason)


def test_epochs_are_those_spent_by_ended_and_reserved_by_live_trials(world, live) -> None:
    search = world.search(budget=Budget(epochs=100))
    world.trial(search, epochs_reserved=10, epochs_spent=4)
    world.trial(search, epochs_reserved=3, epochs_spent=5)
    ended(world, search, "completed", 1, value=0.5, epochs_reserved=20, epochs_spent=7)

    progress = live()[0].progress
    assert progress.epochs_taken == 10 + 5 + 7
    assert progress.epochs_left == 100 - 22


def test_the_final_fit_is_read_apart_from_the_trials(world, live) -> None:
    search = world.search()
    best = ended(world, search, "completed", 5, value=0.5)
    world.set(Search, search, status=SearchStatus.FINISHING)
    final = world.trial(search, kind="final", parent_id=best, reason="why")
    waiting = live()[0].progress
    world.set(Trial, final, status=TrialStatus.FAILED, ended_at=text("now()"))
    failed = live()[0].progress
    world.set(Trial, final, status=TrialStatus.COMPLETED, test_metric=0.5)
    completed = live()[0].progress

    assert (waiting.final, waiting.waiting, waiting.final_tested) == (TrialStatus.WAITING, 0, False)
    assert (failed.final, failed.final_reason, failed.failures) == (TrialStatus.FAILED, "why", 0)
    assert (completed.final, completed.final_tested) == (TrialStatus.COMPLETED, True)


def only(world: Any) -> live_searches.LiveSearch:
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
    return search


def snapshot(world: Any, search: live_searches.LiveSearch) -> StoredSnapshot | None:
    with world.sessions.begin() as session:
        return live_searches.snapshot(session, search, 3)


def test_a_snapshot_has_the_configuration_and_all_trials_but_the_final_fit(world) -> None:
    search_id = world.search(budget=Budget(epochs=50), seed=7)
    first = world.trial(search_id)
    second = world.trial(search_id, parent_id=first)
    world.trial(search_id, kind=TrialKind.FINAL, parent_id=first)

    found = snapshot(world, only(world))

    assert found is not None
    assert SearchConfig.model_validate(found.config).seed == 7
    assert Bounds.model_validate(found.bounds) == Bounds()
    assert DatasetSpec.model_validate(found.dataset) == world.dataset_spec()
    assert (found.search_id, found.next_number, found.count) == (search_id, 3, 3)
    assert [row["id"] for row in found.trials] == [first, second]
    assert found.epochs_left == 50 - 2 * 3
    assert 0 <= found.elapsed < 60


@pytest.mark.parametrize("status", [SearchStatus.PAUSED, SearchStatus.FINISHING])
def test_a_search_that_does_not_run_has_no_snapshot(world, status) -> None:
    search_id = world.search()
    before = only(world)
    world.set(Search, search_id, status=status)
    assert snapshot(world, before) is None


def test_a_search_with_another_trial_meanwhile_has_no_snapshot(world) -> None:
    search_id = world.search()
    before = only(world)
    assert snapshot(world, before) is not None
    world.trial(search_id)
    assert snapshot(world, before) is None


def test_a_configuration_is_read_whatever_the_status_and_none_of_no_search(world) -> None:
    search_id: UUID = world.search(seed=3, status=SearchStatus.STOPPED)
    with world.sessions.begin() as session:
        found = live_searches.configured(session, search_id)
        assert found is not None
        assert found[0].seed == 3
        assert found[1] == world.dataset_spec()
        assert live_searches.configured(session, uuid4()) is None


def past_trials(world: Any, search_id: UUID) -> list[PastTrial]:
    """The earlier trials of a search as its strategy sees them."""
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
        found = live_searches.snapshot(session, search, 1)
    assert found is not None
    assert found.search_id == search_id
    return [past_trial(row) for row in found.trials]


def end(world: Any, do: Any, report: str, **values: Any) -> None:
    """Have the one waiting trial trained."""
    lease = do(leases.take, world.worker(), uuid4(), timedelta(seconds=30)).held
    do(results.end_attempt, lease.trial_id, world.result(lease, report, **values), b"", 3)


def test_a_stopped_trial_arrives_with_the_share_of_its_training(world, do) -> None:
    search = world.search()
    planned = {"epochs": 12, "max_seconds": None}
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=planned)
    end(world, do, "stopped", value=0.5, epochs=3, seconds=9.0)

    (seen,) = past_trials(world, search)

    assert (seen.value, seen.epochs, seen.planned_epochs) == (0.5, 3, 12)
    assert seen.fidelity == 0.25


def test_where_seconds_limit_a_training_it_is_planned_at_its_own_pace(world, do) -> None:
    search = world.search()
    planned = {"epochs": 200, "max_seconds": 60.0}
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=planned)
    end(world, do, "stopped", value=0.5, epochs=4, seconds=20.0)

    (seen,) = past_trials(world, search)

    assert (seen.epochs, seen.planned_epochs) == (4, 12)


def test_nothing_is_planned_for_a_trial_before_it_is_decided(world) -> None:
    search = world.search()
    world.trial(search, architecture=ARCHITECTURE, hyperparameters=None)

    (seen,) = past_trials(world, search)

    assert (seen.epochs, seen.planned_epochs, seen.fidelity) == (None, None, 1)


def test_a_trial_arrives_with_its_parent_and_the_morphisms_between(world) -> None:
    search = world.search()
    morphism = Widen(node_id=1, extra=8, segment=0)
    step = {"text": "widen it", "data": to_json(morphism)}
    parent = world.trial(search, architecture=ARCHITECTURE)
    world.trial(
        search, architecture=ARCHITECTURE, parent_id=parent, morphisms=[step], inherited=True
    )

    first, second = past_trials(world, search)

    assert (first.parent_id, first.morphisms) == (None, ())
    assert (second.parent_id, second.morphisms) == (parent, (morphism,))


def test_a_trial_arrives_with_its_measured_latency(world, do) -> None:
    search = world.search()
    world.trial(search, architecture=ARCHITECTURE)
    end(world, do, "completed", value=0.5, latency=0.25)

    assert [seen.latency for seen in past_trials(world, search)] == [0.25]


FLAT = SPEC.model_copy(update={"input_shape": (64,)})


def finished_search(world: Any, caller: Caller, valued: int = 8, **changes: Any) -> UUID:
    """A completed search with this number of trials that have a value."""
    search = world.search(caller, **changes)
    for _ in range(valued):
        ended(world, search, "completed", 60, value=0.5, architecture=ARCHITECTURE)
    ended(world, search, "failed", 60)
    world.set(Search, search, status="completed", ended_at=text("now() - interval '1 minute'"))
    return search


def earlier(world: Any, search: UUID) -> list[int]:
    """How many trials each of the earlier searches has that a search learns from."""
    with world.sessions.begin() as session:
        (live,) = [one for one in live_searches.live(session) if one.search_id == search]
        snapshot = live_searches.snapshot(session, live, 1)
    assert snapshot is not None
    return [len(one.trials) for one in snapshot.earlier]


def test_a_search_learns_from_the_finished_ones_of_its_owner(world) -> None:
    owner = world.caller()
    finished_search(world, owner)
    finished_search(world, owner, valued=9)
    finished_search(world, world.caller())
    search = world.search(owner)

    assert sorted(earlier(world, search)) == [9, 10]


@pytest.mark.parametrize(
    "change",
    [{"status": "stopped"}, {"status": "failed"}, {"ended_at": text("now() + interval '1 hour'")}],
    ids=["stopped", "failed", "ended later"],
)
def test_a_search_learns_only_from_those_completed_before_it_was_created(world, change) -> None:
    owner = world.caller()
    world.set(Search, finished_search(world, owner), **change)

    assert earlier(world, world.search(owner)) == []


def test_a_search_learns_nothing_from_few_values_or_other_kinds_of_data(world) -> None:
    owner = world.caller()
    finished_search(world, owner, valued=7)
    of_vectors = finished_search(world, owner)
    data = world.dataset(owner, spec=FLAT)
    world.set(Search, of_vectors, dataset_id=data)

    assert earlier(world, world.search(owner)) == []


def test_a_search_of_many_trials_reads_no_others(world) -> None:
    owner = world.caller()
    finished_search(world, owner)
    search = world.search(owner)
    world.set(Search, search, next_number=live_searches.MOST_HELPED)

    assert earlier(world, search) == []


def test_a_search_learns_from_the_last_few_only(world) -> None:
    owner = world.caller()
    for _ in range(live_searches.MOST_EARLIER + 1):
        finished_search(world, owner)

    assert len(earlier(world, world.search(owner))) == live_searches.MOST_EARLIER


def test_the_time_of_a_search_begins_with_its_first_step(world, take, do) -> None:
    """Behind a busy worker, or while data are read, it would be spent before a trial starts."""
    search = world.search(deadline=20.0, budget=Budget(seconds=40))
    trial = world.trial(search)
    long_ago = text("now() - interval '100 s'")
    world.set(Search, search, started_at=long_ago)
    assert elapsed(world) < 1

    held = take(trial)
    assert held is not None
    world.set(Search, search, started_at=long_ago)
    assert elapsed(world) < 1

    beat = Heartbeat(attempt=held.attempt, token=held.token, step=1)
    do(training_reports.heartbeat, trial, beat, timedelta(seconds=30))
    world.set(Search, search, started_at=long_ago)
    assert elapsed(world) >= 100


@pytest.mark.parametrize(
    "fact", [{"attempt": 2}, {"epochs_spent": 1}, {"status": "failed", "ended_at": text("now()")}]
)
def test_the_time_of_a_search_runs_after_an_attempt(world, take, fact) -> None:
    search = world.search(deadline=20.0, budget=Budget(seconds=40))
    trial = world.trial(search)
    assert take(trial) is not None
    with world.sessions.begin() as session:
        session.delete(session.get_one(Lease, trial))
    world.set(Trial, trial, **fact)

    world.set(Search, search, started_at=text("now() - interval '100 s'"))

    assert elapsed(world) >= 100


def elapsed(world: Any) -> float:
    """The seconds of the only live search, as the controller reads them in a turn."""
    with world.sessions.begin() as session:
        live_searches.hold_clocks(session)
        (found,) = live_searches.live(session)
    return found.progress.elapsed
