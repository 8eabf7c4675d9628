"""Leases and the ends of attempts, against the real database."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.models import Lease, Search, Trial, Version
from api.store import endings, leases
from core.protocol.contracts import Budget, Comparison, EpochReport, Heartbeat
from core.protocol.states import LIVE_TRIAL, TRIAL_SOURCES, SearchStatus, TrialStatus

LEASE = timedelta(seconds=30)


@pytest.fixture
def take(do: Callable[..., Any], world: Any) -> Callable[..., Any]:
    """A lease for a new worker, of any trial or of one."""

    def run(trial_id: UUID | None = None, worker: Any = None) -> Any:
        return do(leases.take, worker or world.worker(), uuid4(), LEASE, trial_id).held

    return run


@pytest.fixture
def report(do: Callable[..., Any], world: Any) -> Callable[..., Any]:
    """Reports how the trial of a lease ended; the trial's new status or None."""

    def run(held: Any, status: str = "completed", attempts: int = 3, **values: Any) -> Any:
        sent = world.result(held, status, **values)
        return do(endings.result, held.trial_id, sent, b"digest", attempts)

    return run


def beat(held: Any, step: int = 1) -> Heartbeat:
    return Heartbeat(attempt=held.attempt, token=held.token, step=step)


def epoch_of(held: Any, epoch: int = 1, **values: Any) -> EpochReport:
    values.setdefault("seconds", 1.0)
    return EpochReport(attempt=held.attempt, token=held.token, epoch=epoch, **values)


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


def test_a_worker_that_starts_anew_loses_its_earlier_leases_at_once(world, do, take) -> None:
    trial = world.trial(world.search())
    worker = world.worker()
    take(worker=worker)
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

    verdict = do(leases.heartbeat, held.trial_id, beat(held, 7), LEASE)

    assert (verdict.search_status, verdict.late) == (SearchStatus.RUNNING, False)
    assert do(endings.expire, 3) == 0


def test_reports_with_another_attempt_token_or_trial_do_nothing(world, do, take) -> None:
    trial = world.trial(world.search())
    held = take()
    right = {"attempt": held.attempt, "token": held.token, "trial_id": held.trial_id}
    for wrong in ({"attempt": 2}, {"token": uuid4()}, {"trial_id": uuid4()}):
        facts = right | wrong
        trial_id = facts.pop("trial_id")

        assert do(leases.heartbeat, trial_id, Heartbeat(**facts, step=1), LEASE) is None
        assert do(leases.epoch, trial_id, EpochReport(**facts, epoch=1, seconds=1), LEASE) is None
        result = world.result(held).model_copy(update=facts)
        assert do(endings.result, trial_id, result, b"d", 3) is None
        assert world.get(trial).status == TrialStatus.RUNNING
    world.audit()


def test_a_worker_is_told_when_its_time_is_up(world, do, take) -> None:
    world.trial(world.search(deadline=1000.0))
    held = take()
    assert not do(leases.heartbeat, held.trial_id, beat(held), LEASE).late

    with world.sessions.begin() as session:
        lease = session.get_one(Lease, held.trial_id)
        lease.stop_at = lease.leased_at

    assert do(leases.heartbeat, held.trial_id, beat(held), LEASE).late
    assert do(leases.epoch, held.trial_id, epoch_of(held), LEASE).late


def test_an_epoch_counts_once_however_often_it_is_sent(world, do, take) -> None:
    search = world.search()
    world.trial(search)
    held = take()
    before = version(world, search)

    for _ in range(3):
        report = epoch_of(held, 1, validation_metric=0.5)
        assert do(leases.epoch, held.trial_id, report, LEASE) is not None

    assert version(world, search) == before + 1


def version(world: Any, search_id: UUID) -> int:
    with world.sessions.begin() as session:
        return session.get_one(Version, search_id).version


def test_a_result_ends_the_trial_as_reported(world, take, report) -> None:
    search = world.search()
    for status in ("completed", "stopped", "infeasible", "failed"):
        trial = world.trial(search)

        assert report(take(), status, retry=False, reason="so it was", epochs=3) == status

        row = world.get(trial)
        assert (row.status, row.reason, row.epochs_spent) == (status, "so it was", 3)
    world.audit()


def test_a_completed_trial_keeps_its_value_and_weights(world, take, report) -> None:
    trial = world.trial(world.search())
    weights = world.blob()

    report(take(), value=0.75, value_std=0.01, weights=weights, best_epoch=2, seconds=3.5)

    row = world.get(trial)
    assert (row.value, row.value_std, row.best_epoch, row.seconds) == (0.75, 0.01, 2, 3.5)
    assert (row.weights_key, row.weights_bytes) == (weights.key, weights.bytes)


COMPARED = Comparison(examples=250, before=0.905, after=None, exported="winner", reason="NaN")


def test_a_result_keeps_how_it_was_computed_and_compared(world, take, report) -> None:
    trial = world.trial(world.search())

    report(take(), validation_loss=0.25, precision="bf16 channels-last", comparison=COMPARED)

    row = world.get(trial)
    assert (row.validation_loss, row.precision) == (0.25, "bf16 channels-last")
    assert Comparison.model_validate(row.comparison) == COMPARED


def test_what_the_database_cannot_keep_of_a_comparison_is_cut(world, take, report) -> None:
    trial = world.trial(world.search())
    strange = COMPARED.model_copy(update={"examples": 10**30, "reason": "a\0b"})

    assert report(take(), precision="\0", comparison=strange) is TrialStatus.COMPLETED

    row = world.get(trial)
    assert (row.precision, row.comparison["reason"]) == (None, "ab")
    assert row.comparison["examples"] == 2**31 - 1


@pytest.mark.parametrize("status", ["failed", "infeasible"])
def test_a_trial_without_an_outcome_keeps_no_facts(world, take, report, status) -> None:
    trial = world.trial(world.search())
    facts = {"validation_loss": 0.25, "precision": "fp32", "comparison": COMPARED}

    report(take(), status, retry=False, seconds=2.5, **facts)

    row = world.get(trial)
    assert (row.validation_loss, row.precision, row.comparison) == (None, None, None)
    assert row.seconds == 2.5


def test_a_result_counts_once(world, take, report) -> None:
    trial = world.trial(world.search())
    held = take()

    assert report(held, value=0.5) is TrialStatus.COMPLETED
    assert report(held, value=0.9) is None
    assert world.get(trial).value == 0.5


def test_of_many_reports_at_once_one_counts(world, take, report) -> None:
    trial = world.trial(world.search())
    held = take()
    counted: list[Any] = []
    threads = [
        threading.Thread(target=lambda v=v: counted.append(report(held, value=v / 10)))
        for v in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, counted)) == ["None"] * 5 + ["completed"]
    assert world.get(trial).status == TrialStatus.COMPLETED
    world.audit()


def test_a_failed_attempt_is_tried_again_until_attempts_are_used_up(world, take, report) -> None:
    trial = world.trial(world.search())
    statuses = []
    for attempt in (1, 2, 3):
        world.set(Trial, trial, available_at=world.get(trial).created_at)
        held = take()
        assert held.attempt == attempt
        statuses.append(report(held, "failed", reason="the trainer died"))

    assert statuses == [TrialStatus.WAITING, TrialStatus.WAITING, TrialStatus.FAILED]
    assert world.get(trial).reason == "the trainer died"
    world.audit()


def test_a_late_result_of_an_earlier_attempt_does_not_count(world, do, take, report) -> None:
    trial = world.trial(world.search())
    late = take()
    world.overdue(trial)
    do(endings.expire, 3)
    assert report(late, value=0.9) is None
    held = take()
    assert report(late, value=0.9) is None

    assert report(held, value=0.4) is TrialStatus.COMPLETED
    assert world.get(trial).value == 0.4


def test_an_overdue_trial_is_tried_again_until_it_is_lost(world, do, take) -> None:
    trial = world.trial(world.search())
    for _ in range(3):
        held = take(trial)
        world.overdue(trial)
        assert do(endings.expire, 3) == 1
        world.audit()

    row = world.get(trial)
    assert (held.attempt, row.status) == (3, TrialStatus.LOST)
    assert row.reason == "worker was not heard of again (attempt 3)"


def test_a_lease_that_is_alive_does_not_expire(world, do, take) -> None:
    world.trial(world.search())
    take()

    assert do(endings.expire, 3) == 0


def test_results_in_a_search_that_has_ended_count_as_stopped(world, take, report) -> None:
    search = world.search()
    sent = ("completed", "failed", "infeasible", "stopped")
    held = [take(world.trial(search)) for _ in sent]
    world.set(Search, search, status=SearchStatus.STOPPED)

    ended = [report(lease, status) for lease, status in zip(held, sent, strict=True)]

    assert ended == [TrialStatus.STOPPED] * len(sent)


def test_a_trial_whose_worker_died_in_a_stopped_search_is_stopped(world, do, take) -> None:
    search = world.search()
    trial = world.trial(search)
    take()
    world.set(Search, search, status=SearchStatus.STOPPED)
    world.overdue(trial)

    do(endings.expire, 3)

    assert world.get(trial).status == TrialStatus.STOPPED


def test_attempts_of_a_trial_share_the_epochs_it_has_reserved(world, do, take) -> None:
    search = world.search(budget=Budget(epochs=10))
    trial = world.trial(search, epochs_reserved=5)
    held = take()
    do(leases.epoch, trial, epoch_of(held, 4), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)
    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.WAITING, 4)

    held = take()
    do(leases.epoch, trial, epoch_of(held, 1), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)

    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.LOST, 5)
    world.audit()


def test_any_name_of_a_worker_can_be_kept(world, take) -> None:
    search = world.search()
    for name in ("a\0b", "ünï ☃"):
        world.trial(search)
        assert take(worker=world.worker(name)) is not None


def test_numbers_too_large_for_the_database_are_cut(world, do, take, report) -> None:
    world.trial(world.search())
    held = take()
    huge = 10**30

    assert do(leases.heartbeat, held.trial_id, beat(held, huge), LEASE) is not None
    assert do(leases.epoch, held.trial_id, epoch_of(held, huge), LEASE) is not None
    strange = beat(held).model_copy(update={"attempt": huge})
    assert do(leases.heartbeat, held.trial_id, strange, LEASE) is None
    assert report(held, epochs=huge, best_epoch=huge) is TrialStatus.COMPLETED


def test_every_ending_leaves_a_live_status_alone(world) -> None:
    """The statements must not end what has ended: the table says what may be left."""
    assert all(sources <= LIVE_TRIAL for sources in TRIAL_SOURCES.values())
