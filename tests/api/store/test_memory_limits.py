"""What ran out of memory, and what did not: learned for each kind of device, for all searches."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from api.models.workers import MemoryLimit
from api.store import memory_limits, results, workers
from api.store.metrics import MetricsPage
from core.protocol.contracts.leases import LeaseRequest

GIB = 2**30
SMALL, LARGE = 4 * GIB, 80 * GIB


def worker(world: Any, memory: int, device: str = "cpu") -> LeaseRequest:
    return world.worker().model_copy(update={"memory": memory, "device": device})


@pytest.fixture
def run(world: Any, take: Any, do: Any) -> Any:
    """Has a worker train a trial of a search; the trial's new status."""

    def end(request: LeaseRequest, trial_id: UUID, status: str = "infeasible") -> str:
        held = take(trial_id, request)
        assert held is not None
        sent = world.result(
            held, status, reason="out of memory: 2 GB", out_of_memory=status == "infeasible"
        )
        assert do(results.accept, trial_id, sent, 3).accepted
        world.set(type(world.get(trial_id)), trial_id, available_at=text("now()"))
        return str(world.get(trial_id).status)

    return end


@pytest.fixture
def exceeded(world: Any) -> Any:
    """The estimate from which on no trial is proposed."""

    def read() -> int | None:
        with world.sessions.begin() as session:
            return memory_limits.exceeded(session)

    return read


def trial_of(world: Any, size: int | None, search_id: UUID | None = None) -> UUID:
    made: UUID = world.trial(search_id or world.search(), training_memory=size)
    return made


def test_a_trial_that_runs_out_of_memory_is_infeasible_and_the_least_such_estimate_counts(
    world, run, exceeded
) -> None:
    small = worker(world, SMALL)
    assert exceeded() is None
    for size, least in ((500, 500), (400, 400), (450, 400)):
        assert run(small, trial_of(world, size)) == "infeasible"
        assert exceeded() == least
    world.audit()


def test_another_kind_of_device_gets_the_trial_and_this_one_does_not(
    world, take, run, exceeded
) -> None:
    """One attempt for each kind that is there; then the trial is infeasible."""
    small, large = worker(world, SMALL), worker(world, LARGE, "a GPU")
    for one in (small, large):
        assert take(worker=one) is None  # they are there
    trial = trial_of(world, 500)
    assert run(small, trial) == "waiting"
    assert exceeded() is None
    assert take(worker=worker(world, SMALL + 1000)) is None  # of the same kind
    assert run(large, trial) == "infeasible"
    assert (world.get(trial).attempt, exceeded()) == (2, 500)
    world.audit()


def test_a_worker_takes_what_no_device_that_is_there_could_train_better(world, take, run) -> None:
    """A trial never waits for a worker that is not there."""
    small, large = worker(world, SMALL), worker(world, LARGE)
    for one in (small, large):
        assert take(worker=one) is None
    trial = trial_of(world, 500)
    assert run(small, trial) == "waiting"
    with world.sessions.begin() as session:
        session.execute(
            text("UPDATE workers SET seen_at = now() - interval '61 s' WHERE id = :id"),
            {"id": large.worker_id},
        )
    assert run(small, trial) == "infeasible"


def test_the_last_attempt_of_a_trial_is_infeasible_where_others_may_be_larger(
    world, take, run
) -> None:
    small = worker(world, SMALL)
    assert take(worker=worker(world, LARGE)) is None
    trial = world.trial(world.search(), training_memory=500, attempt=3)
    assert run(small, trial) == "infeasible"


def test_what_fits_later_supersedes_what_ran_out(world, run, exceeded) -> None:
    small = worker(world, SMALL)
    run(small, trial_of(world, 500))
    assert run(small, trial_of(world, 499), "completed") == "completed"
    assert exceeded() == 500
    assert run(small, trial_of(world, 500), "completed") == "completed"
    assert exceeded() is None
    assert run(small, trial_of(world, 300)) == "infeasible"  # others use the memory now
    assert exceeded() == 300
    assert run(small, trial_of(world, 400), "completed") == "completed"
    assert exceeded() is None


def test_every_kind_that_is_there_must_have_run_out(world, take, run, exceeded) -> None:
    small, large = worker(world, SMALL), worker(world, LARGE)
    run(small, trial_of(world, 400))
    assert take(worker=large) is None
    assert exceeded() is None
    run(large, trial_of(world, 900))
    assert exceeded() == 900


def test_a_trial_without_an_estimate_teaches_nothing(world, run, exceeded) -> None:
    small = worker(world, SMALL)
    assert run(small, trial_of(world, None)) == "infeasible"
    assert exceeded() is None
    run(small, trial_of(world, 500))
    assert run(small, trial_of(world, None), "completed") == "completed"
    assert exceeded() == 500


def test_the_list_of_workers_and_the_metrics_have_what_was_learned(world, run) -> None:
    small = worker(world, SMALL + 5)
    run(small, trial_of(world, 500))
    run(small, trial_of(world, 300), "completed")
    with world.sessions.begin() as session:
        (listed,) = workers.listing(session, world.caller())
        page = MetricsPage().text(session).decode()
    assert (listed.memory, listed.memory_exceeded, listed.memory_fitted) == (SMALL, 500, 300)
    assert 'netmorph_memory_exceeded_bytes{device="cpu",gibibytes="4"} 500.0' in page


def test_what_was_learned_is_forgotten_after_a_day(world, run, exceeded) -> None:
    run(worker(world, SMALL), trial_of(world, 500))
    for hours, expected in ((23, 500), (25, None)):
        with world.sessions.begin() as session:
            session.execute(
                text(f"UPDATE memory_limits SET exceeded_at = now() - interval '{hours} h'")
            )
            memory_limits.sweep(session)
        assert exceeded() == expected
    with world.sessions.begin() as session:
        assert session.query(MemoryLimit).count() == 0
