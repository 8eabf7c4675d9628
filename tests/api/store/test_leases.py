"""Leases and reports that renew them, against the real database."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.models import Lease, Search
from api.store import endings, leases, results
from core.protocol.contracts import Action, Answer, EpochReport, Heartbeat, TestMetrics
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, beat, epoch_of, version


def test_the_trial_that_waits_longest_is_leased_first(world, take) -> None:
    search = world.search()
    first, second = world.trial(search), world.trial(search)

    assert [take().trial_id, take().trial_id] == [first, second]
    assert take() is None
    world.audit()


def test_a_lease_makes_the_trial_running_and_the_worker_known(world, take) -> None:
    trial = world.trial(world.search())

    take(worker=world.worker("gpu-7"))

    row = world.get(trial)
    assert (row.status, row.worker, row.attempt) == (TrialStatus.RUNNING, "gpu-7", 1)
    assert row.started_at is not None


def test_a_named_trial_is_leased_to_one_worker_alone(world, take) -> None:
    search = world.search()
    world.trial(search)
    named = world.trial(search)

    assert take(named).trial_id == named
    assert take(named) is None
    assert take(uuid4()) is None


def test_trials_are_leased_only_in_searches_that_train(world, take) -> None:
    search = world.search()
    for status in SearchStatus:
        world.trial(search)
        world.set(Search, search, status=status)

        leased = take() is not None

        assert leased == (status in {SearchStatus.RUNNING, SearchStatus.FINISHING}), status


def test_a_trial_past_the_deadline_of_its_search_is_not_leased(world, take) -> None:
    world.trial(world.search(deadline=0.0))

    assert take() is None


def test_a_trial_is_not_leased_before_its_pause_is_over(world, take, report) -> None:
    world.trial(world.search())

    assert report(take(), "failed") is TrialStatus.WAITING
    assert take() is None


def test_a_worker_that_never_saw_the_answer_gets_the_same_lease_again(world, do) -> None:
    world.trial(world.search())
    worker = world.worker()
    held = do(leases.take, worker, uuid4(), LEASE).held

    again = do(leases.take, worker, uuid4(), LEASE)

    assert again.held is None
    assert again.has_another
    assert do(leases.renew, worker, LEASE) == held
    world.audit()


def test_a_worker_that_restarts_loses_its_earlier_leases_at_once(world, do, take) -> None:
    trial = world.trial(world.search())
    worker = world.worker()
    take(worker=worker)
    world.led()
    restarted = worker.model_copy(update={"boot_id": uuid4()})

    assert do(endings.release, restarted, 3) == 1

    assert world.get(trial).status == TrialStatus.WAITING
    assert take(worker=restarted).attempt == 2
    assert do(endings.release, restarted, 3) == 0
    world.audit()


def test_many_workers_at_once_get_each_trial_once(world, do) -> None:
    search = world.search()
    trials = {world.trial(search) for _ in range(20)}
    got: list[Any] = []

    def work() -> None:
        for _ in range(5):
            got.append(do(leases.take, world.worker(), uuid4(), LEASE).held)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    held = [lease.trial_id for lease in got if lease is not None]
    assert len(held) == len(set(held)) == 20
    assert set(held) == trials
    world.audit()


def test_a_heartbeat_keeps_the_lease_alive(world, do, take) -> None:
    world.trial(world.search())
    held = take()
    world.overdue(held.trial_id)

    assert do(leases.heartbeat, held.trial_id, beat(held, 7), LEASE) == Answer()
    assert do(endings.expire, 3) == 0


def test_reports_with_another_attempt_token_or_trial_do_nothing(world, do, take) -> None:
    trial = world.trial(world.search())
    held = take()
    right = {"attempt": held.attempt, "token": held.token, "trial_id": held.trial_id}
    for wrong in ({"attempt": 2}, {"token": uuid4()}, {"trial_id": uuid4()}):
        fields = right | wrong
        trial_id = fields.pop("trial_id")

        answers = (
            do(leases.heartbeat, trial_id, Heartbeat(**fields, step=1), LEASE),
            do(leases.epoch, trial_id, EpochReport(**fields, epoch=1, seconds=1), LEASE),
        )
        assert {answer.action for answer in answers} == {Action.ABANDON}
        result = world.result(held).model_copy(update=fields)
        assert do(results.end_attempt, trial_id, result, b"d", 3) is None
        assert world.get(trial).status == TrialStatus.RUNNING
    world.audit()


def test_a_worker_learns_when_its_time_is_up(world, do, take) -> None:
    world.trial(world.search(deadline=1000.0))
    held = take()
    assert do(leases.heartbeat, held.trial_id, beat(held), LEASE) == Answer()

    with world.sessions.begin() as session:
        lease = session.get_one(Lease, held.trial_id)
        lease.stop_at = lease.leased_at

    late = Answer(action=Action.STOP, reason="the time is up")
    assert do(leases.heartbeat, held.trial_id, beat(held), LEASE) == late
    assert do(leases.epoch, held.trial_id, epoch_of(held), LEASE) == late


def test_the_time_of_a_training_runs_from_its_first_step(world, do, take) -> None:
    """Before it, data are read."""
    world.trial(world.search(deadline=1000.0))
    held = take()

    def after(seconds: int, step: int) -> Answer:
        with world.sessions.begin() as session:
            lease = session.get_one(Lease, held.trial_id)
            lease.heard_at -= timedelta(seconds=seconds)
            lease.stop_at -= timedelta(seconds=seconds)
        sent = Heartbeat(attempt=held.attempt, token=held.token, step=step)
        return do(leases.heartbeat, held.trial_id, sent, LEASE)

    assert [after(900, 0) for _ in range(3)] == [Answer()] * 3
    assert after(900, 1) == Answer()
    assert after(900, 0) == Answer(action=Action.STOP, reason="the time is up")


def test_the_time_of_a_search_is_up_also_while_a_second_worker_reads_data(world, do, take) -> None:
    search = world.search(deadline=1000.0)
    world.trial(search)
    held = take()

    world.set(Search, search, started_at=text("now() - interval '1001 s'"))

    late = Answer(action=Action.STOP, reason="the time is up")
    assert do(leases.heartbeat, held.trial_id, beat(held), LEASE) == late


def test_an_epoch_counts_once_however_often_it_is_sent(world, do, take) -> None:
    search = world.search()
    world.trial(search)
    held = take()
    before = version(world, search)

    for _ in range(3):
        report = epoch_of(held, 1, validation_metric=0.5)
        assert do(leases.epoch, held.trial_id, report, LEASE) == Answer()

    assert version(world, search) == before + 1


def test_any_name_of_a_worker_can_be_kept(world, take) -> None:
    search = world.search()
    for name in ("a\0b", "ünï ☃"):
        world.trial(search)
        assert take(worker=world.worker(name)) is not None


@pytest.mark.parametrize("huge", [10**30, -(10**30)])
def test_numbers_that_the_database_cannot_store_are_clamped(world, do, take, report, huge) -> None:
    world.trial(world.search())
    worker = world.worker().model_copy(update={"threads": huge})
    held = take(worker=worker)

    assert do(leases.heartbeat, held.trial_id, beat(held, abs(huge)), LEASE) == Answer()
    assert do(leases.epoch, held.trial_id, epoch_of(held, abs(huge)), LEASE) == Answer()
    strange = beat(held).model_copy(update={"attempt": huge})
    assert do(leases.heartbeat, held.trial_id, strange, LEASE).action is Action.ABANDON
    large = world.blob().model_copy(update={"bytes": abs(huge)})
    test = TestMetrics(metric=0.5, loss=1.0, examples=huge)
    sent = {"epochs": huge, "best_epoch": huge, "weights": large, "test": test, "parameters": huge}
    assert report(held, **sent) is TrialStatus.COMPLETED
    row = world.get(held.trial_id)
    assert (abs(row.best_epoch), row.weights_bytes) == (2**31 - 1, 2**63 - 1)
    assert abs(row.test_examples) == 2**31 - 1


def test_absurd_epoch_counts_leave_room_for_the_next_attempts(world, do, take, report) -> None:
    """Their sum over the attempts must fit, or no statement that ends attempts would run again."""
    search = world.search()
    trial = world.trial(search)
    other = world.trial(search)
    for attempt in (1, 2):
        held = take(trial)
        assert held.attempt == attempt
        do(leases.epoch, trial, epoch_of(held, 2**31 - 1), LEASE)
        world.overdue(trial)
        assert do(endings.expire, 9) == 1
    held = take(trial)
    assert report(held, epochs=2**31 - 1) is TrialStatus.COMPLETED
    take(other)
    world.overdue(other)
    assert do(endings.expire, 9) == 1


def test_a_worker_goes_on_until_its_search_ends_or_its_time_is_up(world, calls) -> None:
    search = world.search()
    trial = world.trial(search)
    order = calls.lease(world.worker())
    beat = Heartbeat(attempt=1, token=order.token, step=3)
    report = EpochReport(attempt=1, token=order.token, epoch=1, seconds=1.0)
    assert calls.heartbeat(trial, beat) == Answer()
    assert calls.epoch(trial, report) == Answer()

    world.set(Search, search, status=SearchStatus.PAUSED)
    assert calls.heartbeat(trial, beat) == Answer()
    world.set(Search, search, status=SearchStatus.STOPPED, reason="stopped by me")
    assert calls.heartbeat(trial, beat) == Answer(action=Action.STOP, reason="stopped by me")
    assert calls.epoch(trial, report).action is Action.STOP
    world.set(Search, search, status=SearchStatus.RUNNING)
    with world.sessions.begin() as session:
        lease = session.get_one(Lease, trial)
        lease.stop_at = lease.leased_at
    assert calls.heartbeat(trial, beat) == Answer(action=Action.STOP, reason="the time is up")
    with world.sessions.begin() as session:
        session.delete(session.get_one(Lease, trial))
    assert calls.heartbeat(trial, beat).action is Action.ABANDON
    assert calls.epoch(trial, report).action is Action.ABANDON
