"""A crash at each durable step of a small search, before and after the step: nothing is lost.

The controller's and the worker's own code runs against a real database and a real storage; only the
training is played. A crash is an exception that nothing catches: everything in memory is forgotten,
and a new controller and a restarted worker go on. After a step means that it has happened although
its caller never learns so. In `make test` a few steps crash; `make faults` takes all of them.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from api import db
from api.controller import orders, reports, service
from api.controller.collection import Retention
from api.controller.proposer import Proposer
from api.controller.sweeper import Sweeper
from api.store import leases
from api.store.prepared import PreparedStatement
from core.protocol.contracts import (
    Action,
    BlobRef,
    Budget,
    CheckpointReport,
    EpochReport,
    LeaseRequest,
    TestMetrics,
    Training,
    TrainOrder,
    TrialResult,
)
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.api.conftest import calls, do, engine, world

__all__ = ["calls", "do", "engine", "world"]

LEASE = timedelta(seconds=300)
TRIALS = 2
MOST_TURNS = 60
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")


class Crash(BaseException):
    """The machine loses its power."""


class DurableSteps:
    """Counts commits and writes to storage, and crashes once, at a chosen one."""

    def __init__(self) -> None:
        self.taken = 0
        self._crash_at, self._is_after = 0, False
        self._has_written = False

    def crash_at(self, step: int, *, after: bool) -> None:
        """Crash at this step from now on, counted from 1; 0: never."""
        self.taken, self._crash_at, self._is_after = 0, step, after

    @contextmanager
    def step(self) -> Iterator[None]:
        """One durable step."""
        self.taken += 1
        is_here = self.taken == self._crash_at
        if is_here and not self._is_after:
            raise Crash
        yield
        if is_here:
            raise Crash

    def install(self, patch: pytest.MonkeyPatch, engine: Engine) -> None:
        """Watch the database and the storage of this process."""
        commit, put, delete = DefaultDialect.do_commit, Storage.put, Storage.delete

        def do_commit(dialect: Any, connection: Any) -> None:
            has_written, self._has_written = self._has_written, False
            if not has_written:  # nothing becomes durable
                commit(dialect, connection)
                return
            with self.step():
                commit(dialect, connection)

        def store(storage: Any, *arguments: Any) -> BlobRef:
            with self.step():
                return put(storage, *arguments)

        def remove(storage: Any, blob: BlobRef) -> None:
            with self.step():
                delete(storage, blob)

        patch.setattr(DefaultDialect, "do_commit", do_commit)
        patch.setattr(Storage, "put", store)
        patch.setattr(Storage, "delete", remove)
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        first = PreparedStatement.first

        def watched(statement: PreparedStatement, connection: Any, values: Any) -> Any:
            self._before(connection, None, statement.sql)
            row = first(statement, connection, values)
            self._after(connection, None, statement.sql)
            return row

        patch.setattr(PreparedStatement, "first", watched)

    def _before(self, connection: Any, _: Any, statement: str, *__: Any) -> None:
        if not _WRITES.search(statement):
            return
        if not _commits_itself(connection):
            self._has_written = True
            return
        self.taken += 1
        if self.taken == self._crash_at and not self._is_after:
            raise Crash

    def _after(self, connection: Any, _: Any, statement: str, *__: Any) -> None:
        is_here = self.taken == self._crash_at and self._is_after
        if _WRITES.search(statement) and _commits_itself(connection) and is_here:
            raise Crash


def _commits_itself(connection: Any) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


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
        service.expire_leases(self.world.engine, 3)
        service.tidy(self.world.sessions, self.sweeper)
        self.proposer.collect()
        service.advance(self.world.sessions, self.proposer)
        for _, answer in self.proposer._open.values():
            answer.exception(60)
        self.sweeper.sweep()

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
            answer = self._call(lambda c, r=epoch: leases.epoch(c, order.trial_id, r, LEASE))
            if answer.action is not Action.CONTINUE:
                return None
            state = self.storage.put("checkpoints", f"{order.token} {number}".encode(), "bin")
            kept = CheckpointReport(epoch=number, seconds=float(number), blob=state, **fence)
            self._call(lambda c, r=kept: leases.checkpoint(c, order.trial_id, r, LEASE))
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
        return self.storage.put(kind, f"{kind} {order.trial_id}".encode(), "safetensors")

    def _call(self, statement: Callable[..., Any]) -> Any:
        return db.autocommit(self.world.engine, statement)


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return Storage(storage_url)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> DurableSteps:
    made = DurableSteps()
    made.install(monkeypatch, engine)
    return made


def search_through(
    world: Any,
    storage: Storage,
    steps: DurableSteps,
    step: int,
    *,
    after: bool,
) -> int:
    """Run a search with a crash at a step; return how many steps it took up to its end."""
    steps.crash_at(0, after=False)
    training = Training(epochs=2, final_epochs=2, ensemble=1)
    search = world.search(
        status=SearchStatus.PENDING, strategy="random", budget=Budget(trials=TRIALS),
        parallelism=1, training=training,
    )  # fmt: skip
    worker_id, crashes = uuid4(), 0
    steps.crash_at(step, after=after)
    while True:
        try:
            Machine(world, storage, worker_id).run(search)
            break
        except Crash:
            crashes += 1
            world.engine.dispose()
    taken = steps.taken
    steps.crash_at(0, after=False)
    assert crashes == (1 if step else 0)
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


@pytest.mark.parametrize(("step", "after"), [(9, True), (30, False)])
def test_a_crash_at_some_steps_loses_nothing(world, storage, steps, step, after) -> None:
    search_through(world, storage, steps, step, after=after)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_crash_at_any_step_loses_nothing(world, storage, steps) -> None:
    count = search_through(world, storage, steps, 0, after=False)
    assert count > 30
    for step in range(1, count + 1):
        for after in (False, True):
            search_through(world, storage, steps, step, after=after)
