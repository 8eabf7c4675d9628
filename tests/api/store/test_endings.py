"""Endings without a result, against the real database."""

from uuid import uuid4

from sqlalchemy import text, update

from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import Worker
from api.store import endings, training_reports
from core.protocol.contracts.budgets import Budget
from core.protocol.states import LIVE_TRIAL, TRIAL_SOURCES, SearchStatus, TrialStatus
from tests.api.store.reports import LEASE, epoch_of


def test_an_overdue_trial_is_tried_again_until_it_is_lost(world, do, take) -> None:
    trial = world.trial(world.search())
    for _ in range(3):
        held = take(trial)
        world.overdue(trial)
        assert do(endings.expire, 3) == 1
        world.audit()

    row = world.get(trial)
    assert (held.attempt, row.status) == (3, TrialStatus.LOST)
    assert row.reason == "worker sent no more reports (attempt 3)"


def test_silence_since_an_absence_of_the_service_costs_no_attempt(world, do, take) -> None:
    """The worker may have shut down meanwhile, and could not hand the trial back."""
    trial = world.trial(world.search())
    for _ in range(3):  # as many as there are attempts
        take(trial)
        world.overdue(trial)  # it was last heard a minute ago
        world.led(since="50 s")
        assert do(endings.expire, 1) == 1
    assert (world.get(trial).status, world.get(trial).attempt) == ("waiting", 1)

    worker = world.worker()
    take(trial, worker)
    world.silent(trial)
    world.led(since="50 s")
    restarted = worker.model_copy(update={"boot_id": uuid4()})
    assert do(endings.release, restarted, 1) == 1
    assert (world.get(trial).status, world.get(trial).attempt) == ("waiting", 1)

    world.set(Trial, trial, setbacks=20)  # a trial that ends the whole machine comes to an end
    take(trial)
    world.overdue(trial)
    world.led(since="50 s")
    do(endings.expire, 1)
    assert world.get(trial).status == TrialStatus.LOST
    world.audit()


def test_a_silent_worker_keeps_its_trial_while_only_drained_workers_ask(world, do, take) -> None:
    trial = world.trial(world.search())
    take(trial)
    world.overdue(trial)
    with world.sessions.begin() as session:
        session.execute(update(Worker).values(draining=True))
    assert do(endings.expire, 3) == 0
    with world.sessions.begin() as session:
        session.execute(update(Worker).values(draining=False))
    assert do(endings.expire, 3) == 1


def test_a_lease_that_is_alive_does_not_expire(world, do, take) -> None:
    world.trial(world.search())
    take()

    assert do(endings.expire, 3) == 0


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
    do(training_reports.epoch, trial, epoch_of(held, 4), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)
    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.WAITING, 4)

    held = take()
    do(training_reports.epoch, trial, epoch_of(held, 1), LEASE)
    world.overdue(trial)
    do(endings.expire, 3)

    assert (world.get(trial).status, world.get(trial).epochs_spent) == (TrialStatus.LOST, 5)
    world.audit()


def test_every_ending_leaves_a_live_status_alone(world) -> None:
    """The statements must not end what has ended: the table says what may be left."""
    assert all(sources <= LIVE_TRIAL for sources in TRIAL_SOURCES.values())


def test_a_final_fit_has_another_attempt_also_where_the_budget_is_in_epochs(
    world, do, take
) -> None:
    """It has reserved none of them."""
    search = world.search(budget=Budget(epochs=10), status=SearchStatus.FINISHING)
    parent = world.trial(search, status="completed", value=0.5, ended_at=text("now()"))
    final = world.trial(search, kind="final", parent_id=parent, epochs_reserved=0)
    take()
    world.overdue(final)

    assert do(endings.expire, 3) == 1
    assert (world.get(final).status, world.get(final).attempt) == (TrialStatus.WAITING, 2)
