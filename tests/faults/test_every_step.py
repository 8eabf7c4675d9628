"""A fault at each durable step of a small search, before and after the step: nothing is lost.

The controller's and the worker's own code runs against a real database and a real storage; only the
training is played. After a step means that it has happened although its caller never learns so.

- A crash is an exception that nothing catches: everything in memory is forgotten, and a new
  controller and a restarted worker go on.
- An error is a lost connection to the database or a failing disk: the caller goes on as the
  threads of the service and the worker do.

In `make test` a few steps have faults; `make faults` takes all of them. The shards, named after
their first step, can be run one by one.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from api import db
from api.controller import orders, reports, service
from api.controller.collection import Retention
from api.controller.proposer import Proposer
from api.controller.sweeper import Sweeper
from api.store import training_reports
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.checkpoints import CheckpointReport
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.reports import Action, EpochReport
from core.protocol.contracts.results import TestMetrics, TrialResult
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.contracts.training import Training
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.api.conftest import calls, do, engine, world
from tests.faults.steps import Crash, DurableSteps, Fault

__all__ = ["calls", "do", "engine", "world"]

LEASE = timedelta(seconds=300)
TRIALS = 2
MOST_TURNS = 60
MOST_STEPS = 128  # more than a search takes
SHARD = 8  # steps of one test


class Machine:
    """A controller and a worker, from a start to a crash or to the end of the search."""

    def __init__(self, world: Any, storage: Storage, worker_id: UUID) -> None:
        self.world, self.storage = world, storage
        self.identity = LeaseRequest(worker_id=worker_id, boot_id=uuid4(), name="w", device="cpu")
        self.sweeper = Sweeper(storage, world.sessions, 1e-6, retention=Retention(1, 3600))
        self.proposer = Proposer(world.sessions, 1, lambda: None)
        self.proposer.close()
        self.pool = ThreadPoolExecutor(1)
        self.proposer._pool = self.pool  # type: ignore[assignment]

    def run(self, search: UUID) -> None:
        """Work until the search has ended."""
        try:
            for _ in range(MOST_TURNS):
                self._control()
                self._work()
                if self.world.get_search(search).ended_at is not None:
                    self._control()
                    return
            raise AssertionError(f"the search has not ended after {MOST_TURNS} turns")
        finally:
            self.pool.shutdown()

    def _control(self) -> None:
        """A turn of the deciding thread and one of the sweeper, which go on after errors."""
        with suppress(SQLAlchemyError):
            self._decide()
        with suppress(SQLAlchemyError, OSError):
            self.sweeper.sweep()

    def _decide(self) -> None:
        service.expire_leases(self.world.engine, 3)
        service.tidy(self.world.sessions, self.sweeper)
        self.proposer.collect()
        service.advance(self.world.sessions, self.proposer)
        for _, answer in self.proposer._open.values():
            answer.exception(60)

    def _work(self) -> None:
        order = self._call(lambda c: orders.lease(c, self.identity, LEASE, 3))
        while order is not None:
            order = self._train(order)

    def _train(self, order: TrainOrder) -> TrainOrder | None:
        """Train, from the checkpoint if there is one; the next order."""
        fence = {"attempt": order.attempt, "token": order.token}
        begun = 0 if order.checkpoint is None else order.checkpoint.epoch
        for number in range(begun + 1, order.hyperparameters.epochs + 1):
            epoch = EpochReport(epoch=number, seconds=float(number), validation_metric=0.5, **fence)
            answer = self._call(
                lambda c, r=epoch: training_reports.epoch(c, order.trial_id, r, LEASE)
            )
            if answer.action is not Action.CONTINUE:
                return None
            state = self._store("checkpoints", f"{order.token} {number}".encode(), "bin")
            kept = CheckpointReport(epoch=number, seconds=float(number), blob=state, **fence)
            self._call(lambda c, r=kept: training_reports.checkpoint(c, order.trial_id, r, LEASE))
        result = TrialResult(
            status=TrialStatus.COMPLETED,
            epochs=order.hyperparameters.epochs,
            weights=self._put("weights", order),
            **self._measured(order),
            **fence,
        )  # fmt: skip
        accepted = self._call(
            lambda c: reports.accept(c, self.storage, order.trial_id, result, 3)
        ).accepted
        assert accepted
        return self._call(lambda c: orders.lease(c, self.identity, LEASE, 3))

    def _measured(self, order: TrainOrder) -> dict[str, Any]:
        if order.kind is TrialKind.SEARCH:
            return {"value": 0.5 + order.number / 100}
        return {
            "export": self._put("exports", order),
            "test": TestMetrics(metric=0.5, loss=1.0, examples=10),
        }

    def _put(self, kind: Any, order: TrainOrder) -> BlobRef:
        """Equal bytes for each attempt at a trial."""
        return self._store(kind, f"{kind} {order.trial_id}".encode(), "safetensors")

    def _store(self, kind: Any, data: bytes, suffix: str) -> BlobRef:
        """Store a blob; a worker whose storage fails tries again."""
        with suppress(OSError):
            return self.storage.put(kind, data, suffix)
        return self.storage.put(kind, data, suffix)

    def _call(self, statement: Callable[..., Any]) -> Any:
        """Send a request; a worker that gets an error sends it again."""
        with suppress(SQLAlchemyError):
            return db.autocommit(self.world.engine, statement)
        return db.autocommit(self.world.engine, statement)


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return Storage(storage_url)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Iterator[DurableSteps]:
    with DurableSteps().watching(monkeypatch, engine) as steps:
        yield steps


def search_through(
    world: Any,
    storage: Storage,
    steps: DurableSteps,
    step: int,
    fault: Fault = Fault.CRASH,
    *,
    after: bool = False,
) -> int:
    """Run a search with a fault at a step; return how many steps it took up to its end."""
    steps.fail_at(0)
    training = Training(epochs=2, final_epochs=2, ensemble=1)
    search = world.search(
        status=SearchStatus.PENDING, strategy="random", budget=Budget(trials=TRIALS),
        parallelism=1, training=training,
    )  # fmt: skip
    worker_id, crashes = uuid4(), 0
    steps.fail_at(step, fault, after=after)
    while True:
        try:
            Machine(world, storage, worker_id).run(search)
            break
        except Crash:
            crashes += 1
            world.engine.dispose()
    taken, struck = steps.taken, steps.struck
    steps.fail_at(0)
    assert struck == (0 < step <= taken), (step, taken)
    assert crashes == (struck and fault is Fault.CRASH)
    audit(world, storage, search)
    return taken


def audit(world: Any, storage: Storage, search: UUID) -> None:
    """Every promise about a search that has completed."""
    found = world.get_search(search)
    assert found.status == SearchStatus.COMPLETED, found.reason
    trials = world.trials(search)
    assert [trial.status for trial in trials] == ["completed"] * (TRIALS + 1)
    assert [trial.kind for trial in trials] == ["search"] * TRIALS + ["final"]
    assert {trial.attempt for trial in trials} == {1}  # no crash of the machine counts
    for trial in trials:
        for part in ("weights", "export"):
            key, size = getattr(trial, f"{part}_key"), getattr(trial, f"{part}_bytes")
            if key is not None:
                storage.check(
                    BlobRef(key=key, sha256=key[len(key.split("/")[0]) + 1 :][:64], bytes=size)
                )
    assert trials[-1].export_key is not None
    assert trials[-1].weights_key is not None
    assert trials[1].weights_key is not None  # the best one
    world.audit()


@pytest.mark.parametrize(
    ("step", "fault", "after"),
    [(9, Fault.CRASH, True), (30, Fault.CRASH, False), (21, Fault.ERROR, True)],
)
def test_a_fault_at_some_steps_loses_nothing(world, storage, steps, step, fault, after) -> None:
    assert search_through(world, storage, steps, step, fault, after=after) > step


#: Whether after the step. A crash before a step leaves what one after the step before it leaves.
SIDES = {Fault.CRASH: (True,), Fault.ERROR: (False, True)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1, MOST_STEPS, SHARD))
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_at_any_step_loses_nothing(world, storage, steps, fault, first) -> None:
    for step in range(first, first + SHARD):
        for after in SIDES[fault]:
            taken = search_through(world, storage, steps, step, fault, after=after)
        assert taken < MOST_STEPS
        if taken < step:
            return
