"""A held lease: it is kept as long as the controller has it, and every answer is honoured."""

from collections.abc import Callable, Iterator
from itertools import chain
from queue import SimpleQueue

import pytest

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.reports import Action, Answer, EpochMetrics
from core.protocol.contracts.train_orders import TrainOrder
from tests.clock import Clock
from worker.agent.controller_client import ControllerClient
from worker.agent.lease import HeldLease

STOP = Answer(action=Action.STOP, reason="by the user")


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def client(settings) -> Iterator[ControllerClient]:
    made = ControllerClient(settings)
    yield made
    made.close()


@pytest.fixture
def order(controller) -> TrainOrder:
    """An order whose lease lasts 30 s."""
    controller.lease_seconds = 30.0
    return controller.add("train")


@pytest.fixture
def answers() -> SimpleQueue[Answer]:
    """The answers that the lease passed on."""
    return SimpleQueue()


@pytest.fixture
def hold(client, order, clock, answers) -> Callable[..., HeldLease]:
    """Makes a lease of the order, requested at the clock's present time."""

    def make(**options: float) -> HeldLease:
        times = {"heartbeat_seconds": 10.0} | options
        return HeldLease(client, order, on_answer=answers.put, clock=clock, **times)

    return make


def checkpoint(epoch: int) -> Checkpoint:
    blob = BlobRef(key=f"checkpoints/{'c' * 64}.safetensors", sha256="c" * 64, bytes=5)
    return Checkpoint(epoch=epoch, seconds=1.0, blob=blob)


def metrics(epoch: int = 1) -> EpochMetrics:
    return EpochMetrics(epoch=epoch, seconds=1.0)


def test_a_worker_that_was_cut_off_renews_its_lease(hold, clock, controller, order, answers):
    """Only the controller knows whether another worker has the trial."""
    controller.down = True
    with hold(heartbeat_seconds=0.03) as lease:
        clock.now += 10_000.0
        controller.until(lambda: controller.refused >= 3)
        lease.report(metrics())
        controller.down = False
        controller.until(lambda: controller.epochs[order.trial_id])
    assert controller.heartbeats[order.trial_id]
    assert answers.empty()


def test_no_heartbeat_is_sent_before_it_is_due(hold, clock, controller, order):
    lease = hold()
    clock.now += 9.9
    with lease:
        lease.report(metrics())
    assert controller.heartbeats[order.trial_id] == []


def test_heartbeats_come_at_least_three_times_in_a_lease(hold, clock, controller, order):
    lease = hold(heartbeat_seconds=100.0)
    clock.now += 10.0
    with lease:
        controller.until(lambda: controller.heartbeats[order.trial_id])


def test_a_heartbeat_carries_the_step(hold, clock, controller, order):
    lease = hold()
    lease.set_step(17)
    clock.now += 10.0
    with lease:
        controller.until(lambda: controller.heartbeats[order.trial_id])
    assert [beat.step for beat in controller.heartbeats[order.trial_id]] == [17]


def test_the_first_step_is_reported_at_once(hold, controller, order):
    """The time of the search counts from it."""
    with hold(heartbeat_seconds=100.0) as lease:
        lease.set_step(3)
        controller.until(lambda: controller.heartbeats[order.trial_id])
        lease.set_step(4)
    assert [beat.step for beat in controller.heartbeats[order.trial_id]] == [3]


def test_the_answer_to_a_heartbeat_is_passed_on(hold, clock, controller, order, answers):
    controller.answers[order.trial_id] = STOP
    lease = hold()
    clock.now += 10.0
    with lease:
        assert answers.get(timeout=10) == STOP


def test_the_answer_to_an_epoch_report_is_passed_on(hold, controller, order, answers):
    controller.answers[order.trial_id] = STOP
    with hold() as lease:
        lease.report(metrics())
    assert answers.get(timeout=10) == STOP


def test_an_answer_to_continue_is_not_passed_on(hold, order, answers):
    with hold() as lease:
        lease.report(metrics())
    assert answers.empty()


def test_reports_that_are_left_at_the_end_are_still_sent_in_order(hold, controller, order):
    with hold() as lease:
        for epoch in (1, 2, 3):
            lease.report(metrics(epoch))
    assert [report.epoch for report in controller.epochs[order.trial_id]] == [1, 2, 3]


def test_checkpoints_and_epochs_are_sent_in_the_order_in_which_they_came(hold, controller, order):
    """The controller copies the epochs before a checkpoint, so it must have them by then."""
    stored = checkpoint(2)
    controller.down = True
    with hold(heartbeat_seconds=0.03) as lease:
        for report in (metrics(1), metrics(2), stored, metrics(3)):
            lease.report(report)
        controller.until(lambda: controller.refused >= 2)
        controller.down = False
        while not lease.finish(1.0):
            pass
    assert controller.reported[order.trial_id] == ["epochs", "epochs", "checkpoint", "epochs"]
    (report,) = controller.checkpoints[order.trial_id]
    assert (report.epoch, report.blob, report.token) == (2, stored.blob, order.token)


def test_a_lease_that_cannot_deliver_its_reports_does_not_end_until_abandoned(
    hold, controller, order
):
    controller.down = True
    with hold(heartbeat_seconds=0.03) as lease:
        lease.report(metrics())
        assert not lease.finish(0.2)
        lease.abandon()
        assert lease.finish(10.0)


def test_a_report_that_did_not_arrive_is_sent_again(hold, controller, order):
    controller.down = True
    with hold(heartbeat_seconds=0.03) as lease:
        lease.report(metrics())
        controller.until(lambda: controller.refused >= 2)
        controller.down = False
        controller.until(lambda: controller.epochs[order.trial_id])
    assert [report.epoch for report in controller.epochs[order.trial_id]] == [1]


def test_a_report_that_the_controller_refuses_is_dropped_and_the_next_one_is_sent(
    hold, controller, order, monkeypatch
):
    answer = controller.answer

    def picky(path: str, body: bytes) -> tuple[int, str]:
        return (422, "no such epoch") if b'"epoch":1,' in body else answer(path, body)

    monkeypatch.setattr(controller, "answer", picky)
    with hold() as lease:
        lease.report(metrics(1))
        lease.report(metrics(2))
    assert [report.epoch for report in controller.epochs[order.trial_id]] == [2]


@pytest.fixture
def gathering(controller, client, clock, answers) -> Callable[..., HeldLease]:
    """Makes a lease of an order of a controller that takes several epochs in one report."""
    controller.gathers_epochs = True

    def make() -> HeldLease:
        return HeldLease(
            client, controller.add("train"), heartbeat_seconds=0.03, on_answer=answers.put,
            clock=clock,
        )  # fmt: skip

    return make


def reported(controller) -> list[list[int]]:
    """The epochs of each report."""
    return [
        [*(one.epoch for one in report.earlier), report.epoch]
        for reports in controller.epochs.values()
        for report in reports
    ]


def test_epochs_that_end_soon_after_each_other_are_one_report(gathering, clock, controller):
    with gathering() as lease:
        lease.report(metrics(1))
        lease.report(metrics(2))
        clock.now += 0.49
        lease.report(metrics(3))
        clock.now += 0.02
        lease.report(metrics(4))
        controller.until(lambda: controller.epochs)
    assert reported(controller)[0][:3] == [1, 2, 3]
    assert list(chain(*reported(controller))) == [1, 2, 3, 4]


def test_the_last_epochs_can_be_taken_for_the_result(gathering, controller):
    with gathering() as lease:
        lease.report(metrics(1))
        lease.report(metrics(2))
        assert [one.epoch for one in lease.take_epochs()] == [1, 2]
        assert lease.take_epochs() == ()
    assert reported(controller) == []


def test_epochs_before_a_checkpoint_are_not_taken(gathering, controller):
    controller.down = True
    with gathering() as lease:
        for report in (metrics(1), checkpoint(1), metrics(2)):
            lease.report(report)
        assert [one.epoch for one in lease.take_epochs()] == [2]
        controller.down = False
        while not lease.finish(1.0):
            pass
    (kinds,) = controller.reported.values()
    assert kinds == ["epochs", "checkpoint"]


def test_epochs_that_are_on_their_way_are_not_taken(gathering, clock, controller):
    controller.down = True
    with gathering() as lease:
        lease.report(metrics(1))
        clock.now += 0.5
        lease.report(metrics(2))
        controller.until(lambda: controller.refused >= 2)
        lease.report(metrics(3))
        taken = [one.epoch for one in lease.take_epochs()]
        controller.down = False
        while not lease.finish(1.0):
            pass
    assert taken[-1:] == [3]
    assert list(chain(*reported(controller))) + taken == [1, 2, 3]


def test_more_epochs_than_a_report_may_have_are_several(gathering, controller):
    with gathering() as lease:
        for epoch in range(1, 601):
            lease.report(metrics(epoch))
        taken = [one.epoch for one in lease.take_epochs()]
    assert len(taken) <= 256
    assert max(map(len, reported(controller)), default=0) <= 257
    assert list(chain(*reported(controller))) + taken == list(range(1, 601))


def test_an_older_controller_gets_each_epoch_by_itself(hold, controller, order):
    with hold() as lease:
        lease.report(metrics(1))
        lease.report(metrics(2))
        assert lease.take_epochs() == ()
    assert reported(controller) == [[1], [2]]


def test_a_lost_lease_abandons_the_trial(hold, controller, order, answers):
    controller.stale.add(order.trial_id)
    with hold() as lease:
        lease.report(metrics())
        assert answers.get(timeout=10).action is Action.ABANDON
    assert answers.empty()


def test_an_abandoned_lease_sends_nothing_more(hold, controller, order):
    lease = hold()
    lease.abandon()
    lease.report(metrics())
    with lease:
        pass
    assert controller.epochs[order.trial_id] == []
