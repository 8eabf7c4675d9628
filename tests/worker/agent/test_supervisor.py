"""Whatever a trainer does, its trial ends with the right result, or none, and leaves no process."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from core.protocol.contracts.reports import Action, Answer
from core.protocol.states import TrialStatus
from worker.agent.controller_client import ControllerClient
from worker.agent.notifications import RunnerLock
from worker.agent.supervisor import TrialSupervisor
from worker.agent.warm_trainer import WarmTrainer
from worker.jobs import TrialRunner
from worker.settings import Settings


class Agent:
    """A worker's agent without Celery."""

    def __init__(self, settings: Settings) -> None:
        self.stopping = threading.Event()
        self.controller = ControllerClient(settings)
        self.trainer = WarmTrainer(settings, stopping=self.stopping, touch_health=lambda: None)
        supervisor = TrialSupervisor(
            settings,
            self.controller,
            self.trainer,
            worker_id=uuid4(),
            boot_id=uuid4(),
            stopping=self.stopping,
            touch_health=lambda: None,
        )
        self.runner = TrialRunner(
            settings,
            supervisor,
            self.trainer,
            lock=RunnerLock(),
            stopping=self.stopping,
            touch_health=lambda: None,
        )

    def trainer_pid(self) -> int:
        return self.trainer.prepare().pid

    def drain_aside(self) -> threading.Thread:
        thread = threading.Thread(target=self.runner.drain, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        self.stopping.set()
        self.trainer.close()
        self.controller.close()


@pytest.fixture
def agent(settings: Settings) -> Iterator[Agent]:
    made = Agent(settings)
    yield made
    made.close()


@pytest.fixture
def with_settings(settings: Settings) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**changes: Any) -> Agent:
        made.append(Agent(settings.model_copy(update=changes)))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def only_result(controller, order):
    (result,) = controller.results[order.trial_id]
    assert (result.attempt, result.token) == (order.attempt, order.token)
    return result


def test_a_completed_training_is_reported_with_its_epochs(agent, controller):
    order = controller.add("train", seconds=0.5, epochs=3)
    agent.runner.drain()

    result = only_result(controller, order)
    assert (result.status, result.value, result.epochs) == (TrialStatus.COMPLETED, 0.875, 3)
    reported = controller.epochs[order.trial_id]
    assert [report.epoch for report in reported] == [1, 2, 3]
    assert [report.validation_metric for report in reported] == [0.1, 0.2, 0.3]
    steps = [beat.step for beat in controller.heartbeats[order.trial_id]]
    assert len(steps) >= 3
    assert steps == sorted(steps)
    assert steps[-1] > 1


def test_a_result_brings_the_epochs_that_no_report_has(agent, controller):
    controller.gathers_epochs = True
    order = controller.add("train", seconds=0.5, epochs=3)
    agent.runner.drain()

    result = only_result(controller, order)
    assert result.last_epochs
    reports = controller.epochs[order.trial_id]
    told = [one for report in reports for one in (*report.earlier, report)]
    assert [one.epoch for one in (*told, *result.last_epochs)] == [1, 2, 3]
    assert result.last_epochs[-1].validation_metric == 0.3


def test_trial_after_trial_is_trained_by_one_warm_trainer(agent, controller):
    orders = [controller.add("train") for _ in range(3)]
    agent.runner.drain()
    assert len({only_result(controller, order).reason for order in orders}) == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGKILL", "killed by SIGKILL"),
        ("SIGSEGV", "killed by SIGSEGV"),
        ("exit", "ended with exit code 3"),
    ],
)
def test_a_trainer_that_dies_fails_its_trial_and_the_next_one_is_trained(
    agent, controller, how, reason
):
    dead = controller.add("die", how=how)
    alive = controller.add("train")
    agent.runner.drain()

    result = only_result(controller, dead)
    assert result.status is TrialStatus.FAILED
    assert result.retry
    assert "at step 7" in result.reason
    assert reason in result.reason
    assert "an error on stderr" in result.reason
    assert only_result(controller, alive).status is TrialStatus.COMPLETED


def test_a_trainer_without_progress_is_killed_although_it_sends_events(
    with_settings, controller, gone, caplog
):
    """The checkpoints that it stored until then are reported, read or not: it may be continued."""
    caplog.set_level("INFO")
    agent = with_settings(hang_seconds=2.0)
    order = controller.add("hang")
    pid = agent.trainer_pid()
    agent.runner.drain()
    result = only_result(controller, order)
    assert (result.status, result.retry) == (TrialStatus.FAILED, True)
    assert "no progress at step 1 for 2 s" in result.reason
    assert gone(pid)
    stored = [r.getMessage() for r in caplog.records if r.getMessage().startswith("stored ")]
    assert controller.checkpoints[order.trial_id][-1].epoch >= int(stored[-1].split()[1])
    assert controller.reported[order.trial_id][-1] == "result"


def test_a_stop_is_obeyed_with_the_best_value_so_far(agent, controller):
    order = controller.add("train", seconds=30)
    controller.answers[order.trial_id] = Answer(action=Action.STOP, reason="by the user")
    agent.runner.drain()
    result = only_result(controller, order)  # a training that is not stopped ends with 0.875
    assert (result.status, result.value) == (TrialStatus.STOPPED, 0.5)


def test_a_trainer_that_ignores_a_stop_is_killed_and_its_trial_stopped(agent, controller, gone):
    order = controller.add("disobedient")
    pid = agent.trainer_pid()
    controller.answers[order.trial_id] = Answer(action=Action.STOP, reason="by the user")
    agent.runner.drain()
    result = only_result(controller, order)
    assert (result.status, result.retry) == (TrialStatus.STOPPED, False)
    assert result.reason == "by the user; killed: it did not stop"
    assert gone(pid)


def test_an_abandoned_trial_is_not_reported(agent, controller):
    order = controller.add("train", seconds=30)
    pid = agent.trainer_pid()
    controller.answers[order.trial_id] = Answer(action=Action.ABANDON)
    agent.runner.drain()
    assert controller.results[order.trial_id] == []
    assert agent.trainer_pid() == pid  # it obeyed, so it is kept


def test_a_checkpoint_is_reported_although_its_lease_is_lost(agent, controller, monkeypatch):
    """So the controller can remove it: nothing else names it."""
    order = controller.add("late_checkpoint")
    controller.answers[order.trial_id] = Answer(action=Action.ABANDON)
    answer = controller.answer

    def answer_then_be_away(path: str, body: bytes) -> tuple[int, str]:
        found = answer(path, body)
        controller.down |= path.endswith("heartbeat")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(controller, "answer", answer_then_be_away)
        drained = agent.drain_aside()
        controller.until(lambda: controller.refused >= 4)
    controller.down = False
    drained.join(15)
    assert not drained.is_alive()
    assert controller.reported[order.trial_id] == ["checkpoint"]
    assert controller.results[order.trial_id] == []


def test_a_training_ends_when_another_worker_has_the_lease(agent, controller):
    order = controller.add("train", seconds=30)
    controller.stale.add(order.trial_id)
    agent.runner.drain()
    assert controller.results[order.trial_id] == []


def test_a_training_goes_on_while_the_controller_is_away_for_longer_than_the_lease(
    agent, controller
):
    controller.lease_seconds = 0.6
    order = controller.add("train", seconds=2.5, epochs=5)
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[order.trial_id])
    controller.down = True
    refused = controller.refused
    controller.until(lambda: controller.refused > refused + 6)  # each 0.07 s or more
    controller.down = False
    drained.join(15)
    assert not drained.is_alive()
    assert only_result(controller, order).status is TrialStatus.COMPLETED
    assert [report.epoch for report in controller.epochs[order.trial_id]] == [1, 2, 3, 4, 5]


def test_a_result_is_delivered_once_the_controller_is_back(agent, controller):
    controller.lease_seconds = 30.0
    order = controller.add("train", seconds=0.3)
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[order.trial_id])
    controller.down = True
    refused = controller.refused
    controller.until(lambda: controller.refused > refused + 3)
    controller.down = False
    drained.join(10)
    assert not drained.is_alive()
    assert only_result(controller, order).status is TrialStatus.COMPLETED
    assert [report.epoch for report in controller.epochs[order.trial_id]] == [1, 2]


def test_a_training_past_its_own_limit_is_stopped(with_settings, controller):
    order = controller.add("train", max_seconds=0.2, seconds=30)
    with_settings(hang_seconds=2.0).runner.drain()
    assert only_result(controller, order).status is TrialStatus.STOPPED


def test_an_end_with_a_status_that_ends_no_training_fails_the_trial(agent, controller):
    order = controller.add("invalid_events")
    agent.runner.drain()
    result = only_result(controller, order)
    assert result.status is TrialStatus.FAILED
    assert "with the status waiting, with which no training ends" in result.reason


def test_a_killed_trainer_takes_its_children_with_it(agent, controller, gone, caplog):
    caplog.set_level("INFO")
    order = controller.add("family")
    controller.answers[order.trial_id] = Answer(action=Action.STOP)
    agent.runner.drain()
    (child,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("child ")]
    assert gone(int(child.split()[1]))


@pytest.mark.parametrize("gathers_epochs", [False, True])
def test_a_shutdown_stores_a_checkpoint_and_hands_the_trial_back(agent, controller, gathers_epochs):
    controller.gathers_epochs = gathers_epochs
    order = controller.add("train", seconds=30, epochs=300)
    drained = agent.drain_aside()
    controller.until(lambda: controller.epochs[order.trial_id])
    agent.stopping.set()
    drained.join(10)
    assert not drained.is_alive()
    reports = controller.epochs[order.trial_id]
    told = [one.epoch for report in reports for one in (*report.earlier, report)]
    (stored,) = controller.checkpoints[order.trial_id]
    assert stored.epoch == reports[-1].epoch
    assert told == list(range(1, stored.epoch + 1))
    assert controller.reported[order.trial_id][-2:] == ["checkpoint", "hand-back"]
    assert controller.results[order.trial_id] == []


def test_a_shutdown_kills_a_trainer_that_does_not_obey_and_hands_its_trial_back(
    agent, controller, gone
):
    order = controller.add("disobedient")
    pid = agent.trainer_pid()
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[order.trial_id])
    agent.stopping.set()
    drained.join(10)
    assert not drained.is_alive()
    assert gone(pid)
    assert controller.handed_back == [order.trial_id]
    assert controller.results[order.trial_id] == []


def test_a_trial_that_cannot_be_handed_back_does_not_keep_the_worker_from_its_end(
    with_settings, controller
):
    agent = with_settings(last_report_seconds=0.5)
    order = controller.add("train", seconds=30)
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[order.trial_id])
    controller.down = True
    agent.stopping.set()
    drained.join(10)
    assert not drained.is_alive()
    assert controller.handed_back == []


def test_a_trial_is_handed_back_to_a_controller_that_returns_in_time(with_settings, controller):
    agent = with_settings(last_report_seconds=60.0)
    order = controller.add("train", seconds=30)
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[order.trial_id])
    controller.down = True
    agent.stopping.set()
    refused = controller.refused
    controller.until(lambda: controller.refused > refused + 2)
    controller.down = False
    drained.join(30)
    assert controller.handed_back == [order.trial_id]


def test_a_worker_without_a_trainer_leases_nothing(with_settings, controller):
    controller.add("train")
    broken = with_settings(trainer_command=("python3", "-c", "raise SystemExit('no torch')"))
    broken.runner.drain()
    assert controller.leases == []
    assert len(controller.waiting) == 1


def test_a_worker_whose_trainers_keep_dying_rests(agent, controller):
    for _ in range(6):
        controller.add("die", how="SIGKILL")
    agent.runner.drain()
    assert 2 <= len(controller.results) < 6


@pytest.mark.parametrize("is_old", [False, True])
def test_trials_follow_each_other_in_the_answers_to_results(with_settings, controller, is_old):
    """With a controller of an earlier release each needs a request for a lease."""
    controller.is_old = is_old
    orders = [controller.add("train") for _ in range(4)]
    with_settings(trials_per_trainer=3).runner.drain()
    assert controller.trained == [order.trial_id for order in orders]
    # The first, the fourth (by a new trainer), and the one that finds nothing.
    assert len(controller.leases) == (5 if is_old else 3)


def test_a_trial_that_comes_with_an_answer_is_handed_back_at_a_shutdown(agent, controller):
    first, second = controller.add("train"), controller.add("train", seconds=30)
    drained = agent.drain_aside()
    controller.until(lambda: controller.heartbeats[second.trial_id])
    agent.stopping.set()
    drained.join(15)
    assert controller.trained == [first.trial_id]
    assert controller.handed_back == [second.trial_id]


def test_a_controller_that_is_down_gets_no_second_request_at_once(agent, controller):
    controller.down = True
    agent.runner.drain()
    assert controller.refused == 1
