"""Leases: who gets which trial, against the real database."""

import threading
from typing import Any
from uuid import uuid4

from api.models.searches import Search
from api.store import endings, leases
from core.protocol.states import SearchStatus, TrialStatus
from tests.api.store.reports import LEASE


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


def test_any_name_of_a_worker_can_be_kept(world, take) -> None:
    search = world.search()
    for name in ("a\0b", "ünï ☃"):
        world.trial(search)
        assert take(worker=world.worker(name)) is not None
