"""The transition tables: what is final stays so, and nothing is out of reach."""

import pytest

from core.protocol.states import (
    LIVE_SEARCH,
    LIVE_TRIAL,
    SEARCH_SOURCES,
    TRIAL_SOURCES,
    SearchStatus,
    TrialStatus,
)

TABLES = [(TrialStatus, TRIAL_SOURCES, LIVE_TRIAL), (SearchStatus, SEARCH_SOURCES, LIVE_SEARCH)]
every_table = pytest.mark.parametrize(("statuses", "sources", "live"), TABLES)


@every_table
def test_every_status_has_a_row(statuses, sources, live):
    assert set(sources) == set(statuses)
    assert live < set(statuses)


@every_table
def test_no_transition_leaves_a_final_status(statuses, sources, live):
    assert all(origins <= live for origins in sources.values())


@every_table
def test_every_status_can_be_reached_from_the_first_and_every_live_one_can_be_left(
    statuses, sources, live
):
    first, *_ = statuses
    reached = {first}
    while more := {to for to in statuses if sources[to] & reached} - reached:
        reached |= more
    assert reached == set(statuses)
    assert all(any(status in sources[to] for to in set(statuses) - live) for status in live)


def test_a_result_may_overtake_the_report_of_the_start():
    for status in set(TrialStatus) - LIVE_TRIAL:
        assert TrialStatus.WAITING in TRIAL_SOURCES[status]


def test_a_running_trial_may_wait_for_another_attempt_but_runs_only_after_waiting():
    assert TrialStatus.RUNNING in TRIAL_SOURCES[TrialStatus.WAITING]
    assert TRIAL_SOURCES[TrialStatus.RUNNING] == {TrialStatus.WAITING}


def test_a_paused_search_can_be_resumed_and_stopped_but_not_finished():
    after_pause = {to for to in SearchStatus if SearchStatus.PAUSED in SEARCH_SOURCES[to]}
    assert after_pause == {SearchStatus.RUNNING, SearchStatus.STOPPED, SearchStatus.FAILED}
