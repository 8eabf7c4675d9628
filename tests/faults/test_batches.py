"""A fault in the middle of a batch: each call has its effect once, whatever its worker learns."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from api import db
from api.controller import orders
from api.store import leases, results
from api.store.leases_together import LeaseCall
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialStatus
from tests.api.conftest import do, engine, world
from tests.faults.steps import Crash, DurableSteps, Fault

__all__ = ["do", "engine", "world"]

LEASE = timedelta(seconds=300)
Calls = list[tuple[UUID, TrialResult]]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Iterator[DurableSteps]:
    with DurableSteps().watching(monkeypatch, engine) as steps:
        yield steps


def reports(world: Any, do: Callable[..., Any]) -> Calls:
    """Results of five leased trials of two searches."""
    first, second = world.search(), world.search()
    trials = [world.trial(search) for search in (first, first, second, second, second)]
    held = [do(leases.take, world.worker(), uuid4(), LEASE, trial).held for trial in trials]
    return [(one.trial_id, world.result(one, epochs=3)) for one in held]


def send(engine: Engine, calls: Calls) -> list[ResultAnswer]:
    """What the routes answer: what a batch leaves out is carried out alone."""
    answers = db.autocommit(engine, lambda c: results.accept_together(c, calls, 3))
    return [
        answer or db.autocommit(engine, lambda c, call=call: results.accept(c, *call, 3))
        for call, answer in zip(calls, answers, strict=True)
    ]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("after", [False, True])
def test_a_batch_that_is_cut_off_counts_once(world, do, steps, fault, after) -> None:
    calls = reports(world, do)
    steps.fail_at(1, fault, after=after)
    with suppress(Crash):
        send(world.engine, calls)
    assert steps.struck

    answers = send(world.engine, calls)  # workers that got no answer send again

    assert all(answer.accepted for answer in answers)
    for trial_id, _ in calls:
        row = world.get(trial_id)
        assert (row.status, row.attempt, row.epochs_spent) == (TrialStatus.COMPLETED, 1, 3)
    world.audit()


def lease(engine: Engine, calls: list[LeaseCall]) -> list[TrainOrder | None]:
    """What the routes answer to workers that ask for trials."""
    answers = db.autocommit(engine, lambda c: orders.lease_together(c, calls, LEASE))
    return [
        db.autocommit(engine, lambda c, call=call: orders.lease(c, call.request, LEASE, 3))
        if answer is None
        else answer.order
        for call, answer in zip(calls, answers, strict=True)
    ]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("after", [False, True])
def test_workers_whose_batch_is_cut_off_lease_one_trial_each(world, steps, fault, after) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(8)]
    calls = [LeaseCall(world.worker()) for _ in range(4)]
    steps.fail_at(1, fault, after=after)
    with suppress(Crash):
        lease(world.engine, calls)
    assert steps.struck

    found = lease(world.engine, calls)  # workers that got no answer ask again

    assert {order.trial_id for order in found if order} == set(trials[:4])
    statuses = [world.get(trial).status for trial in trials]
    assert statuses == [TrialStatus.RUNNING] * 4 + [TrialStatus.WAITING] * 4
    world.audit()
