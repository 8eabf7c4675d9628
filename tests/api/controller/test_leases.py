"""The lease service: which worker gets which lease, the answers to reports, and results."""

from uuid import uuid4

import pytest

from api.controller.leases import credible
from api.models import Lease, Search
from api.store.errors import Conflict, NotFound
from core.protocol.contracts import (
    Action,
    Answer,
    EpochReport,
    Heartbeat,
    ResultAnswer,
    TestMetrics,
)
from core.protocol.states import SearchStatus, TrialStatus
from core.tasks import TASKS


def test_nothing_waits_and_unknown_trials_are_distinguished(world, lease_service) -> None:
    trial = world.trial(world.search())
    assert lease_service.lease(world.worker(), trial) is not None

    assert lease_service.lease(world.worker()) is None
    assert lease_service.lease(world.worker(), trial) is None
    with pytest.raises(NotFound):
        lease_service.lease(world.worker(), uuid4())


def test_a_repeated_lease_request_gets_the_same_order(world, lease_service) -> None:
    search = world.search()
    first = world.trial(search)
    other = world.trial(search)
    worker = world.worker()
    order = lease_service.lease(worker, first)

    assert lease_service.lease(worker) == order
    assert lease_service.lease(worker, other) == order


def test_a_worker_that_restarts_gets_its_trial_as_another_attempt(world, lease_service) -> None:
    trial = world.trial(world.search())
    worker = world.worker()
    first = lease_service.lease(worker)

    second = lease_service.lease(worker.model_copy(update={"boot_id": uuid4()}))

    assert (first.attempt, second.attempt) == (1, 2)
    assert first.token != second.token
    with pytest.raises(Conflict):
        lease_service.result(trial, world.result(first))


def test_a_worker_goes_on_until_its_search_ends_or_its_time_is_up(world, lease_service) -> None:
    search = world.search()
    trial = world.trial(search)
    order = lease_service.lease(world.worker())
    beat = Heartbeat(attempt=1, token=order.token, step=3)
    report = EpochReport(attempt=1, token=order.token, epoch=1, seconds=1.0)
    assert lease_service.heartbeat(trial, beat) == Answer()
    assert lease_service.epoch(trial, report) == Answer()

    world.set(Search, search, status=SearchStatus.PAUSED)
    assert lease_service.heartbeat(trial, beat) == Answer()
    world.set(Search, search, status=SearchStatus.STOPPED, reason="stopped by me")
    assert lease_service.heartbeat(trial, beat) == Answer(
        action=Action.STOP, reason="stopped by me"
    )
    assert lease_service.epoch(trial, report).action is Action.STOP
    world.set(Search, search, status=SearchStatus.RUNNING)
    with world.sessions.begin() as session:
        lease = session.get_one(Lease, trial)
        lease.stop_at = lease.leased_at
    assert lease_service.heartbeat(trial, beat) == Answer(
        action=Action.STOP, reason="the time is up"
    )
    with world.sessions.begin() as session:
        session.delete(session.get_one(Lease, trial))
    assert lease_service.heartbeat(trial, beat).action is Action.ABANDON
    assert lease_service.epoch(trial, report).action is Action.ABANDON


def test_the_same_result_again_is_a_duplicate_another_one_a_conflict(world, lease_service) -> None:
    trial = world.trial(world.search())
    order = lease_service.lease(world.worker())
    result = world.result(order, value=0.5)

    assert lease_service.result(trial, result) == ResultAnswer(accepted=True)
    assert lease_service.result(trial, result) == ResultAnswer(accepted=True, reason="duplicate")
    with pytest.raises(Conflict, match="the trial is completed"):
        lease_service.result(trial, result.model_copy(update={"value": 0.6}))
    with pytest.raises(NotFound):
        lease_service.result(uuid4(), result)
    assert world.get(trial).value == 0.5


def test_a_failure_that_led_to_another_attempt_is_a_duplicate_of_itself(
    world, lease_service
) -> None:
    trial = world.trial(world.search())
    order = lease_service.lease(world.worker())
    result = world.result(order, "failed", reason="the trainer died")

    assert lease_service.result(trial, result).accepted
    assert lease_service.result(trial, result).reason == "duplicate"
    assert world.get(trial).attempt == 2


@pytest.mark.parametrize("value", [None, -0.1, 1.5, 1e308])
def test_an_impossible_value_costs_an_attempt(world, lease_service, value) -> None:
    trial = world.trial(world.search())
    order = lease_service.lease(world.worker())

    answer = lease_service.result(trial, world.result(order, value=value))

    assert "expected one from 0 to 1" in answer.reason
    row = world.get(trial)
    assert (row.status, row.attempt, row.value) == (TrialStatus.WAITING, 2, None)
    world.audit()


def test_a_final_fit_needs_test_metrics_rather_than_a_value(world) -> None:
    order = type("Order", (), {"attempt": 1, "token": uuid4()})
    test = TestMetrics(metric=0.9, loss=0.1, examples=10)
    report = world.result(order, value=None, test=test)

    assert credible(report, TASKS["image-classification"]()) is report


def test_the_task_of_the_search_decides_which_values_are_credible(
    world, lease_service, monkeypatch
) -> None:
    """A value beyond the usual range counts where the trial's own task type has such values."""
    monkeypatch.setattr(TASKS["image-classification"], "value_range", (-10.0, 0.0))
    trials = [world.trial(world.search()) for _ in range(2)]
    orders = [lease_service.lease(world.worker(), trial) for trial in trials]

    accepted = lease_service.result(trials[0], world.result(orders[0], value=-3.5))
    refused = lease_service.result(trials[1], world.result(orders[1], value=0.5))

    assert (accepted.accepted, accepted.reason) == (True, "")
    assert world.get(trials[0]).value == -3.5
    assert "expected one from -10 to 0" in refused.reason
    assert world.get(trials[1]).value is None


def test_a_value_is_stored_unchanged_where_the_task_is_unknown(world, lease_service) -> None:
    search = world.search()
    trial = world.trial(search)
    order = lease_service.lease(world.worker(), trial)
    world.set(Search, search, config={"task": "of a later release"})

    assert lease_service.result(trial, world.result(order, value=7.0)).reason == ""
    assert world.get(trial).value == 7.0


def test_a_trial_for_which_no_order_can_be_made_fails_and_blocks_nobody(
    world, lease_service
) -> None:
    broken, good = world.search(), world.search()
    world.set(Search, broken, config={"what": "is this"})
    poison, other = world.trial(broken), world.trial(good)
    worker = world.worker()

    assert lease_service.lease(worker) is None
    assert lease_service.lease(worker).trial_id == other

    row = world.get(poison)
    assert row.status == TrialStatus.FAILED
    assert "no order could be made: ValidationError" in row.reason
    world.audit()
