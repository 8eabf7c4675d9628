"""Checkpoints: where the next lease continues, against the real database."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from api.models.blobs import Discarded
from api.models.leases import Lease
from api.models.searches import Search
from api.models.trials import Epoch
from api.store import discarded, endings, leases, searches, training_reports
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.reports import Action, Answer
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, beat, checkpoint_of, epoch_of, handed_back


@pytest.fixture
def trial(world: Any) -> UUID:
    return world.trial(world.search())


@pytest.fixture
def train(do: Any) -> Any:
    """Reports epochs of a lease, and a checkpoint after one of them."""

    def run(held: Any, epochs: list[int], checkpoint: int | None = None) -> None:
        for epoch in epochs:
            report = epoch_of(held, epoch, seconds=float(epoch), validation_metric=epoch / 100)
            assert do(training_reports.epoch, held.trial_id, report, LEASE) == Answer()
            if epoch == checkpoint:
                report = checkpoint_of(held, epoch)
                assert do(training_reports.checkpoint, held.trial_id, report, LEASE) == Answer()

    return run


def curve(world: Any, trial_id: UUID, attempt: int) -> list[int]:
    """The epochs that are stored of an attempt."""
    chosen = select(Epoch.epoch).where(Epoch.trial_id == trial_id, Epoch.attempt == attempt)
    with world.sessions.begin() as session:
        return list(session.scalars(chosen.order_by(Epoch.epoch)))


def noted(world: Any) -> set[str]:
    with world.sessions.begin() as session:
        return set(session.scalars(select(Discarded.blob_key)))


def note_ended(world: Any) -> None:
    with world.sessions.begin() as session:
        discarded.of_ended_trials(session)


def resumed_epoch(world: Any, trial_id: UUID) -> int:
    with world.sessions.begin() as session:
        return session.get_one(Lease, trial_id).resumed_epoch


def test_a_trial_that_is_handed_back_waits_with_the_same_attempt(world, do, take, train, trial):
    held = take()
    train(held, [1, 2, 3], checkpoint=2)

    assert do(endings.hand_back, trial, handed_back(held))

    row = world.get(trial)
    assert (row.status, row.attempt, row.epochs_spent) == (TrialStatus.WAITING, 1, 3)
    world.audit()
    again = take()
    assert (again.attempt, again.token != held.token) == (1, True)
    assert resumed_epoch(world, trial) == 2
    assert curve(world, trial, 1) == [1, 2]  # the third is trained again


def test_a_trial_that_is_handed_back_without_a_checkpoint_starts_again(world, do, take, train):
    trial = world.trial(world.search())
    held = take()
    train(held, [1, 2])
    do(endings.hand_back, trial, handed_back(held))
    take()
    assert curve(world, trial, 1) == []


def test_a_trial_may_be_handed_back_more_often_than_it_has_attempts(world, do, take, trial):
    for _ in range(9):
        assert do(endings.hand_back, trial, handed_back(take()))
    assert world.get(trial).attempt == 1


def test_only_the_holder_of_the_lease_can_hand_a_trial_back(world, do, take, trial):
    held = take()
    for wrong in ({"attempt": 2}, {"token": uuid4()}):
        message = handed_back(held).model_copy(update=wrong)
        assert not do(endings.hand_back, trial, message)
    assert do(endings.hand_back, trial, handed_back(held))
    assert not do(endings.hand_back, trial, handed_back(held))


def test_a_trial_of_a_stopped_search_that_is_handed_back_is_stopped(world, do, take):
    search = world.search()
    trial = world.trial(search)
    held = take()
    world.set(Search, search, status=SearchStatus.STOPPED, reason="by me")
    assert do(endings.hand_back, trial, handed_back(held))
    row = world.get(trial)
    assert (row.status, row.reason) == (TrialStatus.STOPPED, "by me")


def test_the_next_attempt_continues_the_curve_of_the_one_before(world, do, take, train, trial):
    held = take()
    train(held, [1, 2, 3, 4], checkpoint=3)
    world.overdue(trial)
    assert do(endings.expire, 3) == 1

    second = take()
    assert (second.attempt, resumed_epoch(world, trial)) == (2, 3)
    assert curve(world, trial, 2) == [1, 2, 3]
    train(second, [4, 5])
    assert curve(world, trial, 1) == [1, 2, 3, 4]
    assert curve(world, trial, 2) == [1, 2, 3, 4, 5]


def test_an_attempt_without_a_checkpoint_of_its_own_leaves_the_one_before(
    world, do, take, train, trial
):
    train(take(), [1, 2], checkpoint=2)
    for attempt in (2, 3):
        world.overdue(trial)
        do(endings.expire, 9)
        assert take().attempt == attempt
        assert curve(world, trial, attempt) == [1, 2]


def test_an_epoch_that_is_trained_again_replaces_its_metrics(world, do, take, trial):
    held = take()
    for seconds in (1.0, 2.0):
        do(training_reports.epoch, trial, epoch_of(held, 1, seconds=seconds), LEASE)
    with world.sessions.begin() as session:
        assert session.get_one(Epoch, (trial, 1, 1)).seconds == 2.0


def test_epochs_before_the_checkpoint_are_spent_once(world, do, take, train, report):
    trial = world.trial(world.search(budget=Budget(epochs=10)), epochs_reserved=6)
    train(take(), [1, 2, 3], checkpoint=2)
    world.overdue(trial)
    do(endings.expire, 3)
    assert world.get(trial).epochs_spent == 3

    second = take()
    train(second, [3, 4, 5])
    assert report(second, epochs=5) is TrialStatus.COMPLETED
    row = world.get(trial)
    assert (row.epochs, row.epochs_spent) == (5, 6)
    world.audit()


def test_a_worker_that_could_not_read_its_checkpoint_spends_all_its_epochs(world, do, take, train):
    trial = world.trial(world.search(budget=Budget(epochs=20)), epochs_reserved=20)
    held = take()
    train(held, [1, 2, 3], checkpoint=3)
    do(endings.hand_back, trial, handed_back(held))
    second = take()
    train(second, [1, 2, 3, 4])
    do(endings.hand_back, trial, handed_back(second))
    assert world.get(trial).epochs_spent == 3 + 4


def test_a_trial_with_a_checkpoint_is_continued_although_its_epochs_are_spent(
    world, do, take, train
):
    """It has trained all of them; the next attempt only has to say how it ended."""
    trial = world.trial(world.search(budget=Budget(epochs=10)), epochs_reserved=3)
    train(take(), [1, 2, 3], checkpoint=2)
    world.overdue(trial)
    do(endings.expire, 3)
    assert world.get(trial).status == TrialStatus.WAITING


def test_a_new_checkpoint_replaces_the_one_before(world, do, take, trial):
    held = take()
    reports = [checkpoint_of(held, epoch, seconds=epoch / 2) for epoch in (1, 2)]
    for report in (*reports, reports[-1]):
        do(training_reports.checkpoint, trial, report, LEASE)
    row = world.get(trial)
    assert (row.checkpoint_key, row.checkpoint_bytes) == (reports[1].blob.key, 10)
    assert (row.checkpoint_attempt, row.checkpoint_epoch, row.checkpoint_seconds) == (1, 2, 1.0)
    assert noted(world) == {reports[0].blob.key}


def test_a_late_report_of_an_earlier_checkpoint_replaces_nothing(world, do, take, trial):
    """Its blob may be removed already: a duplicate, or a report on a slow connection."""
    held = take()
    first, delayed, last = (checkpoint_of(held, epoch) for epoch in (1, 2, 3))
    for report in (first, last, first, delayed):
        assert do(training_reports.checkpoint, trial, report, LEASE) == Answer()
    row = world.get(trial)
    assert (row.checkpoint_key, row.checkpoint_epoch) == (last.blob.key, 3)
    assert noted(world) == {first.blob.key, delayed.blob.key}


def test_a_training_that_begins_again_replaces_a_later_checkpoint(world, do, take, train, trial):
    """Of an attempt that is not counted, so that the next one has the same number."""
    first = take()
    train(first, [1, 2, 3], checkpoint=3)
    assert do(endings.hand_back, trial, handed_back(first))
    again = take()
    train(again, [1], checkpoint=1)
    row = world.get(trial)
    assert (again.attempt, row.checkpoint_epoch) == (first.attempt, 1)
    assert row.checkpoint_key == checkpoint_of(again, 1).blob.key


def test_a_checkpoint_without_the_lease_is_discarded(world, do, take, trial):
    held = take()
    for wrong in ({"attempt": 2}, {"token": uuid4()}):
        report = checkpoint_of(held).model_copy(update=wrong)
        assert do(training_reports.checkpoint, trial, report, LEASE).action is Action.ABANDON
    assert world.get(trial).checkpoint_key is None
    assert noted(world) == {report.blob.key}


def test_a_late_duplicate_of_the_checkpoint_that_a_trial_continues_from_removes_nothing(
    world, do, take, trial
):
    held = take()
    stored = checkpoint_of(held)
    do(training_reports.checkpoint, trial, stored, LEASE)
    do(endings.hand_back, trial, handed_back(held))
    assert do(training_reports.checkpoint, trial, stored, LEASE).action is Action.ABANDON
    with world.sessions.begin() as session:
        assert discarded.unneeded(session) == []
        discarded.forget(session, [])
    assert noted(world) == set()
    assert world.get(trial).checkpoint_key == stored.blob.key


@pytest.mark.parametrize("status", ["completed", "infeasible", "failed", "stopped"])
def test_the_checkpoint_of_an_ended_trial_is_discarded(world, do, take, report, trial, status):
    held = take()
    stored = checkpoint_of(held)
    do(training_reports.checkpoint, trial, stored, LEASE)
    note_ended(world)
    assert noted(world) == set()

    report(held, status, retry=False)
    with world.sessions.begin() as session:
        assert discarded.are_there(session)
    note_ended(world)
    assert noted(world) == {stored.blob.key}
    assert world.get(trial).checkpoint_key is None
    with world.sessions.begin() as session:
        assert [blob.key for blob in discarded.unneeded(session)] == [stored.blob.key]


def test_the_checkpoint_of_a_trial_that_waits_is_kept_until_its_search_is_stopped(
    world, do, take, trial
):
    held = take()
    do(training_reports.checkpoint, trial, checkpoint_of(held), LEASE)
    do(endings.hand_back, trial, handed_back(held))
    note_ended(world)
    assert noted(world) == set()
    with world.sessions.begin() as session:
        searches.stop_waiting(session, world.get(trial).search_id, "stopped")
    note_ended(world)
    assert len(noted(world)) == 1


def test_a_deleted_search_discards_its_checkpoints(world, do, take):
    owner = world.caller()
    search = world.search(owner)
    trial = world.trial(search)
    do(training_reports.checkpoint, trial, checkpoint_of(take()), LEASE)
    with world.sessions.begin() as session:
        searches.remove(session, owner, search)
    assert len(noted(world)) == 1


def test_a_late_request_for_a_lease_forgets_no_epoch(world, do, train, trial):
    """The answer to the first request was lost; a copy of it arrives after the training began."""
    worker = world.worker()
    held = do(leases.obtain, worker, LEASE, 3)
    train(held, [1, 2])
    assert do(leases.obtain, worker, LEASE, 3) == held
    assert curve(world, trial, 1) == [1, 2]


def moved_back(world: Any, trial_id: UUID, **seconds: float) -> None:
    """Let these times of a lease have been this many seconds ago."""
    values = {name: text(f"now() - interval '{ago} s'") for name, ago in seconds.items()}
    world.set(Lease, trial_id, **values)


def test_a_lease_that_nobody_else_wants_is_renewed_or_its_result_accepted(
    world, do, take, report, trial
):
    held = take()
    world.forgotten(trial)
    assert do(endings.expire, 3) == 0
    assert do(training_reports.heartbeat, trial, beat(held), LEASE) == Answer()
    world.forgotten(trial)
    assert do(endings.expire, 3) == 0
    assert report(held) is TrialStatus.COMPLETED


def test_after_an_absence_of_the_service_the_holder_is_heard_first(world, do, take, trial):
    """A third of the lease passes between the first look at a silent lease and its end."""
    held = take()
    world.overdue(trial)
    moved_back(world, trial, heard_at=70, expires_at=40)
    world.set(Lease, trial, silent_at=None)
    assert do(endings.expire, 3) == 0  # it notices the silence
    moved_back(world, trial, silent_at=9)
    assert do(endings.expire, 3) == 0
    assert do(training_reports.heartbeat, trial, beat(held), LEASE) == Answer()
    with world.sessions.begin() as session:
        assert session.get_one(Lease, trial).silent_at is None
    moved_back(world, trial, heard_at=70, expires_at=40, silent_at=11)
    assert do(endings.expire, 3) == 1


def test_a_silence_is_noticed_after_two_thirds_of_the_lease_so_that_it_ends_in_time(
    world, do, take, trial
):
    take()
    world.overdue(trial)
    world.set(Lease, trial, silent_at=None, expires_at=text("now() + interval '11 s'"))
    moved_back(world, trial, heard_at=19)
    do(endings.expire, 3)
    with world.sessions.begin() as session:
        assert session.get_one(Lease, trial).silent_at is None
    moved_back(world, trial, heard_at=21)
    world.set(Lease, trial, expires_at=text("now() + interval '9 s'"))
    do(endings.expire, 3)
    with world.sessions.begin() as session:
        assert session.get_one(Lease, trial).silent_at is not None


def test_as_many_silent_workers_lose_their_trials_as_others_ask(world, do, take):
    search = world.search()
    trials = [world.trial(search) for _ in range(3)]
    for trial in trials:
        take(trial)
    for trial in trials:
        world.forgotten(trial)
    world.overdue(trials[0])  # one worker asks
    assert do(endings.expire, 3) == 1
    world.audit()


def test_a_silent_worker_keeps_its_trial_while_its_search_is_paused(world, do, take):
    """Nobody could take it over."""
    search = world.search()
    trial = world.trial(search)
    take()
    world.set(Search, search, status=SearchStatus.PAUSED)
    world.overdue(trial)
    assert do(endings.expire, 3) == 0
    world.set(Search, search, status=SearchStatus.RUNNING)
    assert do(endings.expire, 3) == 1
