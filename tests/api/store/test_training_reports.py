"""Heartbeats, epochs and what they answer, against the real database."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch
from api.store import endings, results, training_reports
from core.protocol.contracts.reports import Action, Answer, EpochReport, Heartbeat
from core.protocol.contracts.results import TestMetrics
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, beat, epoch_of, version


def test_a_heartbeat_keeps_the_lease_alive(world, do, take) -> None:
    world.trial(world.search())
    held = take()
    world.overdue(held.trial_id)

    assert do(training_reports.heartbeat, held.trial_id, beat(held, 7), LEASE) == Answer()
    assert do(endings.expire, 3) == 0


def test_reports_with_another_attempt_token_or_trial_do_nothing(world, do, take) -> None:
    trial = world.trial(world.search())
    held = take()
    right = {"attempt": held.attempt, "token": held.token, "trial_id": held.trial_id}
    for wrong in ({"attempt": 2}, {"token": uuid4()}, {"trial_id": uuid4()}):
        fields = right | wrong
        trial_id = fields.pop("trial_id")

        answers = (
            do(training_reports.heartbeat, trial_id, Heartbeat(**fields, step=1), LEASE),
            do(training_reports.epoch, trial_id, EpochReport(**fields, epoch=1, seconds=1), LEASE),
        )
        assert {answer.action for answer in answers} == {Action.ABANDON}
        result = world.result(held).model_copy(update=fields)
        assert do(results.end_attempt, trial_id, result, b"d", 3) is None
        assert world.get(trial).status == TrialStatus.RUNNING
    world.audit()


def test_a_worker_learns_when_its_time_is_up(world, do, take) -> None:
    world.trial(world.search(deadline=1000.0))
    held = take()
    assert do(training_reports.heartbeat, held.trial_id, beat(held), LEASE) == Answer()

    with world.sessions.begin() as session:
        lease = session.get_one(Lease, held.trial_id)
        lease.stop_at = lease.leased_at

    late = Answer(action=Action.STOP, reason="the time is up")
    assert do(training_reports.heartbeat, held.trial_id, beat(held), LEASE) == late
    assert do(training_reports.epoch, held.trial_id, epoch_of(held), LEASE) == late


def test_a_report_brings_the_epochs_before_it_that_no_other_has(world, do, take) -> None:
    trial = world.trial(world.search())
    held = take()
    earlier = [epoch_of(held, number) for number in (1, 2)]
    assert do(training_reports.epoch, trial, epoch_of(held, 3, earlier=earlier), LEASE) == Answer()
    with world.sessions.begin() as session:
        assert set(session.scalars(select(Epoch.epoch).where(Epoch.trial_id == trial))) == {1, 2, 3}
        assert session.get_one(Lease, trial).epochs == 3


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
        return do(training_reports.heartbeat, held.trial_id, sent, LEASE)

    assert [after(900, 0) for _ in range(3)] == [Answer()] * 3
    assert after(900, 1) == Answer()
    assert after(900, 0) == Answer(action=Action.STOP, reason="the time is up")


def test_the_time_of_a_search_is_up_also_while_a_second_worker_reads_data(world, do, take) -> None:
    search = world.search(deadline=1000.0)
    world.trial(search)
    held = take()

    world.set(Search, search, started_at=text("now() - interval '1001 s'"))

    late = Answer(action=Action.STOP, reason="the time is up")
    assert do(training_reports.heartbeat, held.trial_id, beat(held), LEASE) == late


def test_an_epoch_counts_once_however_often_it_is_sent(world, do, take) -> None:
    search = world.search()
    world.trial(search)
    held = take()
    before = version(world, search)

    for _ in range(3):
        report = epoch_of(held, 1, validation_metric=0.5)
        assert do(training_reports.epoch, held.trial_id, report, LEASE) == Answer()

    assert version(world, search) == before + 1


@pytest.mark.parametrize("huge", [10**30, -(10**30)])
def test_numbers_that_the_database_cannot_store_are_clamped(world, do, take, report, huge) -> None:
    world.trial(world.search())
    worker = world.worker().model_copy(update={"threads": huge})
    held = take(worker=worker)

    assert do(training_reports.heartbeat, held.trial_id, beat(held, abs(huge)), LEASE) == Answer()
    assert do(training_reports.epoch, held.trial_id, epoch_of(held, abs(huge)), LEASE) == Answer()
    strange = beat(held).model_copy(update={"attempt": huge})
    assert do(training_reports.heartbeat, held.trial_id, strange, LEASE).action is Action.ABANDON
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
        do(training_reports.epoch, trial, epoch_of(held, 2**31 - 1), LEASE)
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
