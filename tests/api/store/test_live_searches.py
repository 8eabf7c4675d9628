"""The progress of live searches: one query that counts what a walk over the rows counts."""

from typing import Any

import pytest
from sqlalchemy import text

from api.models import Search, Trial
from api.store import live_searches
from api.store.live_searches import LiveSearch
from core.protocol.contracts import Budget
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialStatus
from core.search.budget import FAILURES_IN_A_ROW


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
