"""Whether and how a training ends, decided from events and times alone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.reports import Action, Answer
from core.protocol.states import TrialKind, TrialStatus
from worker.agent.monitor import Ending, TrainingMonitor
from worker.agent.trainer_process import EndOfEvents
from worker.messages import Ended, EpochEnded, Interrupt, Interrupted, Progress, Reading, Stop


@pytest.fixture
def monitor(controller) -> TrainingMonitor:
    order = controller.add("train", max_seconds=100)
    return TrainingMonitor(order=order, hang_seconds=10, stop_seconds=5, started=1000.0)


def test_only_growing_steps_and_epochs_are_progress(monitor):
    monitor.observe(Progress(step=1), 1005.0)
    monitor.observe(Progress(step=1), 1014.0)
    assert monitor.ending(1015.0) is None
    assert monitor.ending(1015.1) is Ending.HUNG
    monitor.observe(EpochEnded(epoch=1, seconds=1), 1015.0)
    assert monitor.ending(1025.0) is None


def test_data_that_are_read_are_progress_and_take_no_time_of_the_training(monitor):
    for second in range(0, 500, 9):
        monitor.observe(Reading(), 1000.0 + second)
        monitor.enforce_time_limit(1000.0 + second)
        assert (monitor.ending(1000.0 + second), monitor.new_command()) == (None, None)
    assert monitor.ending(1506.0) is Ending.HUNG
    monitor.observe(Progress(step=1), 1500.0)
    assert monitor.longest_epoch < 10
    monitor.enforce_time_limit(1500.0 + 110)
    assert monitor.new_command() is None
    monitor.enforce_time_limit(1500.0 + 110.1)
    assert monitor.new_command() == Stop(reason="past its limit of 100 s")


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Ended(status=TrialStatus.STOPPED), "the time is up"),
        (Ended(status=TrialStatus.STOPPED, reason="stopped early"), "stopped early"),
        (Ended(status=TrialStatus.COMPLETED), ""),
    ],
)
def test_a_training_that_obeys_a_stop_reports_its_reason(monitor, ended, reason):
    monitor.observe(Answer(action=Action.STOP, reason="the time is up"), 1001.0)
    monitor.observe(ended, 1002.0)
    assert monitor.outcome(Ending.ENDED, 1002.0, "").reason == reason


def test_after_long_epochs_a_long_evaluation_is_no_hang(monitor):
    for step in range(1, 11):
        monitor.observe(Progress(step=step), 1000.0 + 5 * step)
    monitor.observe(EpochEnded(epoch=1, seconds=50), 1055.0)
    assert monitor.ending(1109.0) is None
    assert monitor.ending(1110.1) is Ending.HUNG


def test_a_training_that_never_begins_counts_as_a_hang(monitor):
    assert monitor.ending(1010.1) is Ending.HUNG


def test_a_lost_lease_ends_a_training_soon_and_without_a_report(monitor):
    monitor.observe(Answer(action=Action.ABANDON), 1000.0)
    assert isinstance(monitor.new_command(), Stop)
    assert monitor.ending(1005.0) is None
    assert monitor.ending(1005.1) is Ending.ABANDONED
    assert monitor.outcome(Ending.ABANDONED, 1006.0, "") is None


def test_a_shutdown_interrupts_the_training_once_and_hands_it_back(monitor):
    monitor.shut_down(1001.0)
    assert isinstance(monitor.new_command(), Interrupt)
    monitor.shut_down(1002.0)
    assert monitor.new_command() is None
    assert monitor.ending(1002.0) is None
    monitor.observe(Interrupted(), 1003.0)
    ending = monitor.ending(1003.0)
    assert ending is Ending.INTERRUPTED
    assert ending.is_handed_back
    assert monitor.outcome(ending, 1003.0, "") is None


def test_a_training_that_ends_during_a_shutdown_is_reported(monitor):
    monitor.shut_down(1001.0)
    monitor.observe(Ended(status=TrialStatus.COMPLETED, value=0.5), 1002.0)
    assert monitor.outcome(monitor.ending(1002.0), 1002.0, "").value == 0.5


def test_a_trainer_that_does_not_obey_a_shutdown_has_its_trial_handed_back(monitor):
    monitor.shut_down(1001.0)
    assert monitor.ending(1006.0) is None
    assert monitor.ending(1006.1) is Ending.SHUT_DOWN
    assert Ending.SHUT_DOWN.is_handed_back


def test_a_stop_goes_before_a_shutdown(monitor):
    """The user has decided the end of the trial; it is not to be continued by another worker."""
    monitor.observe(Answer(action=Action.STOP, reason="by the user"), 1001.0)
    monitor.shut_down(1001.0)
    assert isinstance(monitor.new_command(), Stop)
    assert monitor.new_command() is None
    ending = monitor.ending(1006.1)
    assert monitor.outcome(ending, 1006.1, "").status is TrialStatus.STOPPED


def test_a_trainer_that_dies_while_it_stops_leaves_a_stopped_trial(monitor):
    monitor.observe(Answer(action=Action.STOP, reason="by the user"), 1001.0)
    monitor.observe(EndOfEvents(), 1002.0)
    ending = monitor.ending(1002.0)
    outcome = monitor.outcome(ending, 1002.0, "")
    assert outcome.status is TrialStatus.STOPPED
    assert not outcome.retry


def test_a_trainer_killed_for_memory_makes_its_architecture_infeasible(monitor):
    monitor.observe(EndOfEvents(), 1001.0)
    monitor.out_of_memory = True
    outcome = monitor.outcome(monitor.ending(1001.0), 1001.0, "killed (out of memory)")
    assert (outcome.status, outcome.out_of_memory) == (TrialStatus.INFEASIBLE, True)
    assert "out of memory" in outcome.reason


def test_a_request_to_abandon_replaces_one_to_stop_but_not_the_reverse(monitor):
    monitor.observe(Answer(action=Action.STOP), 1001.0)
    monitor.observe(Answer(action=Action.ABANDON), 1002.0)
    monitor.observe(Answer(action=Action.STOP), 1003.0)
    assert monitor.request.action is Action.ABANDON
    monitor.observe(Ended(status=TrialStatus.STOPPED), 1003.0)
    assert monitor.ending(1003.0) is Ending.ABANDONED


def test_a_repeated_stop_does_not_grant_more_time(monitor):
    for second in range(5):
        monitor.observe(Answer(action=Action.STOP), 1001.0 + second)
    assert monitor.ending(1006.1) is Ending.UNSTOPPABLE


def test_a_stopped_final_fit_has_the_time_to_be_tested_and_exported(monitor):
    """On a busy machine that takes longer than to stop, and all of the search would be lost."""
    monitor.order = monitor.order.model_copy(update={"kind": TrialKind.FINAL})
    monitor.observe(Answer(action=Action.STOP, reason="the time is up"), 1001.0)
    assert monitor.ending(1011.0) is None
    assert monitor.ending(1011.1) is Ending.UNSTOPPABLE


def test_a_stop_after_long_epochs_waits_for_a_long_evaluation(monitor):
    monitor.observe(EpochEnded(epoch=1, seconds=50), 1050.0)
    monitor.observe(Answer(action=Action.STOP), 1051.0)
    assert monitor.ending(1101.0) is None
    assert monitor.ending(1101.1) is Ending.UNSTOPPABLE


def test_a_training_that_goes_on_in_spite_of_a_stop_gains_no_time(monitor):
    monitor.observe(Answer(action=Action.STOP), 1001.0)
    for step in range(1, 10):
        monitor.observe(Progress(step=step), 1001.0 + step)
    assert monitor.ending(1006.1) is Ending.UNSTOPPABLE


def test_a_training_past_its_time_limit_is_requested_to_stop(monitor):
    monitor.observe(Progress(step=1), 1000.0)
    monitor.observe(Progress(step=2), 1105.0)
    monitor.enforce_time_limit(1109.0)
    assert monitor.request is None
    monitor.enforce_time_limit(1110.1)
    assert monitor.request.action is Action.STOP


def test_the_outcome_is_what_the_trainer_reported(monitor):
    blob = BlobRef(key=f"weights/{'a' * 64}.safetensors", sha256="a" * 64, bytes=5)
    ended = Ended(status=TrialStatus.INFEASIBLE, reason="r" * 5000, weights=blob, epochs=3)
    monitor.observe(ended, 1001.0)
    outcome = monitor.outcome(Ending.ENDED, 1001.0, "")
    assert (outcome.status, outcome.weights, outcome.epochs) == (TrialStatus.INFEASIBLE, blob, 3)
    assert len(outcome.reason) == 2000


def test_a_precision_that_is_too_long_for_a_report_is_cut(monitor):
    monitor.observe(Ended(status=TrialStatus.COMPLETED, value=0.5, precision="x" * 65), 1001.0)
    assert monitor.outcome(Ending.ENDED, 1001.0, "").precision == "x" * 64


notices = st.one_of(
    st.builds(Progress, step=st.integers(0, 9)),
    st.builds(EpochEnded, epoch=st.integers(1, 9), seconds=st.just(0.0)),
    st.builds(Ended, status=st.sampled_from(TrialStatus)),
    st.builds(Interrupted),
    st.builds(EndOfEvents),
    st.builds(Answer, action=st.sampled_from(Action).filter(lambda a: a is not Action.CONTINUE)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    events=st.lists(st.tuples(notices, st.floats(0, 300)), max_size=20), shuts_down=st.booleans()
)
def test_every_sequence_of_events_ends_with_one_outcome_or_none(events, shuts_down, controller):
    """Every training ends in bounded time, with a status that is final or without an outcome."""
    monitor = TrainingMonitor(
        order=controller.add("train"), hang_seconds=10, stop_seconds=5, started=0.0
    )
    now = 0.0
    for notice, seconds in events:
        now += seconds
        monitor.observe(notice, now)
        monitor.enforce_time_limit(now)
    if shuts_down:
        monitor.shut_down(now)
    ending = monitor.ending(now + monitor.hang_limit + 0.1)
    assert ending is not None
    outcome = monitor.outcome(ending, now, "exit summary")
    if outcome is None:
        assert not ending.is_reported
    else:
        final = {"completed", "stopped", "infeasible", "failed"}
        assert outcome.status in final


def test_an_export_may_be_silent_for_longer_as_it_reports_no_progress_of_its_test(
    controller,
) -> None:
    order = controller.add("train").model_copy(update={"kind": TrialKind.EXPORT})
    monitor = TrainingMonitor(order=order, hang_seconds=10, stop_seconds=5, started=1000.0)
    assert monitor.ending(1100.0) is None
    assert monitor.ending(1100.1) is Ending.HUNG
