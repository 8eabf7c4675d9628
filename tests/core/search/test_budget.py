"""The decision about a search, for every kind of progress that matters."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.states import SearchStatus, TrialStatus
from core.search.budget import (
    FAILURES_IN_A_ROW,
    Complete,
    Fail,
    Finish,
    FitBest,
    SearchProgress,
    StopWaiting,
    Suggest,
    Wait,
    decide,
    free_slots,
)

FRESH = SearchProgress(
    status=SearchStatus.RUNNING,
    parallelism=3,
    trial_limit=10,
    epoch_limit=None,
    trials_deadline=None,
    elapsed=5.0,
    created=0,
    waiting=0,
    running=0,
    epochs_taken=0,
    failures=0,
    failure="",
    final=None,
    final_reason="",
    final_tested=False,
    has_best=False,
)


def progress(**values: Any) -> SearchProgress:
    return dataclasses.replace(FRESH, **values)


FINISHING = {"status": SearchStatus.FINISHING, "created": 10, "has_best": True}


@pytest.mark.parametrize(
    ("values", "decision"),
    [
        ({"status": SearchStatus.PENDING}, Suggest(3)),
        ({}, Suggest(3)),
        ({"waiting": 1, "running": 1, "created": 2}, Suggest(1)),
        ({"running": 3, "created": 3}, Wait()),
        ({"created": 9, "running": 1}, Suggest(1)),
        ({"created": 10, "running": 1}, Finish()),
        ({"status": SearchStatus.PAUSED}, Wait()),
        ({"status": SearchStatus.PAUSED, "created": 10}, Wait()),
        ({"epoch_limit": 20, "epochs_taken": 18}, Suggest(2)),
        ({"epoch_limit": 20, "epochs_taken": 20}, Finish()),
        ({"trials_deadline": 5.0}, Finish()),
        ({"trials_deadline": 6.0}, Finish()),
        ({"trials_deadline": 60.0}, Suggest(3)),
        ({"trial_limit": None, "trials_deadline": 60.0}, Suggest(3)),
        (FINISHING | {"running": 1}, Wait()),
        (FINISHING | {"waiting": 1}, Wait()),
        (FINISHING | {"waiting": 1, "trials_deadline": 1.0}, StopWaiting()),
        (FINISHING, FitBest()),
        (FINISHING | {"final": TrialStatus.RUNNING}, Wait()),
        (FINISHING | {"final": TrialStatus.WAITING}, Wait()),
        (FINISHING | {"final": TrialStatus.COMPLETED}, Complete()),
        (FINISHING | {"final": TrialStatus.STOPPED, "final_tested": True}, Complete()),
    ],
)
def test_the_decision_follows_from_the_progress(values: dict[str, Any], decision: object) -> None:
    assert decide(progress(**values)) == decision


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"failures": FAILURES_IN_A_ROW, "failure": "no space"},
            "5 trials failed in a row: no space",
        ),
        (FINISHING | {"has_best": False}, "none of 10 trials has a value"),
        (FINISHING | {"has_best": False, "created": 0}, "no trial was made"),
        (
            FINISHING | {"final": TrialStatus.FAILED, "final_reason": "killed"},
            "the final fit is failed: killed",
        ),
        (FINISHING | {"final": TrialStatus.STOPPED}, "the final fit is stopped: no reason given"),
    ],
)
def test_a_search_that_cannot_end_well_fails_with_the_reason(
    values: dict[str, Any], reason: str
) -> None:
    assert decide(progress(**values)) == Fail(reason)


@given(
    st.builds(
        progress,
        parallelism=st.integers(1, 20),
        trial_limit=st.none() | st.integers(1, 20),
        epoch_limit=st.none() | st.integers(1, 50),
        created=st.integers(0, 20),
        waiting=st.integers(0, 20),
        running=st.integers(0, 20),
        epochs_taken=st.integers(0, 60),
    )
)
def test_slots_never_exceed_parallelism_trials_or_epochs(search: SearchProgress) -> None:
    slots = free_slots(search)

    assert slots >= 0
    if slots:
        assert search.waiting + search.running + slots <= search.parallelism
        assert search.trial_limit is None or search.created + slots <= search.trial_limit
        assert search.epoch_limit is None or search.epochs_taken + slots <= search.epoch_limit
