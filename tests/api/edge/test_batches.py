"""Calls that wait at the same time are one batch; none waits for others to come."""

import threading
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from fastapi import HTTPException
from sqlalchemy.exc import OperationalError

from api.edge.batches import Batches
from api.edge.lanes import Lane
from api.store.together import MOST
from tests.api.edge.test_lanes import until


class Service:
    """Counts what is carried out; a batch is held until it is let go."""

    def __init__(self, engine: Any, *, waiting: int = 100) -> None:
        self.together: list[list[int]] = []
        self.alone: list[int] = []
        self.let_go = threading.Event()
        self.is_broken = False
        self.lane = Lane(threads=1, waiting=waiting)
        self.batches: Batches[int, str] = Batches(
            self.lane, engine, self._carry_out, self._carry_out_alone
        )
        self.answers: dict[int, Any] = {}

    def _carry_out(self, _: Any, calls: Sequence[int]) -> list[str | None]:
        """Negative calls are left out."""
        self.together.append(list(calls))
        assert self.let_go.wait(30)
        if self.is_broken:
            raise OperationalError("a statement", {}, Exception("the batch fails"))
        return [f"together {call}" if call >= 0 else None for call in calls]

    def _carry_out_alone(self, _: Any, call: int) -> str:
        self.alone.append(call)
        if call == -7:
            raise ValueError("no lease")
        return f"alone {call}"

    async def send(self, call: int) -> None:
        try:
            self.answers[call] = await self.batches.run(call)
        except (HTTPException, ValueError) as error:
            self.answers[call] = type(error)


def test_calls_that_come_while_a_batch_is_carried_out_are_the_next_one(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.send, 0)
            await until(lambda: service.together == [[0]])  # it has not waited for others
            for call in range(1, MOST + 3):
                tasks.start_soon(service.send, call)
            await until(lambda: service.lane.waiting == MOST + 2)
            service.let_go.set()
        sizes = [len(batch) for batch in service.together]
        assert sizes == [1, MOST, 2]
        assert service.answers == {call: f"together {call}" for call in range(MOST + 3)}
        assert service.lane.waiting == 0

    anyio.run(scenario)


def test_calls_that_come_together_are_one_batch(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        service.let_go.set()
        async with anyio.create_task_group() as tasks:
            for call in (1, 2, 3):
                tasks.start_soon(service.send, call)
        assert service.together == [[1, 2, 3]]

    anyio.run(scenario)


def test_what_a_batch_leaves_out_is_carried_out_alone(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        service.let_go.set()
        async with anyio.create_task_group() as tasks:
            for call in (1, -2, -7):
                tasks.start_soon(service.send, call)
        assert service.answers == {1: "together 1", -2: "alone -2", -7: ValueError}
        assert sorted(service.alone) == [-7, -2]

    anyio.run(scenario)


def test_an_error_of_a_batch_touches_none_of_its_calls(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        service.is_broken = True
        service.let_go.set()
        async with anyio.create_task_group() as tasks:
            for call in (1, 2):
                tasks.start_soon(service.send, call)
        assert service.answers == {1: "alone 1", 2: "alone 2"}
        service.is_broken = False
        assert await service.batches.run(3) == "together 3"

    anyio.run(scenario)


def test_a_call_that_waits_too_long_for_its_batch_is_refused_and_not_carried_out(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.send, 0)
            await until(lambda: service.together == [[0]])
            service.lane.seconds = 0.05
            with pytest.raises(HTTPException) as refused:
                await service.batches.run(1)
            assert refused.value.status_code == 503
            service.let_go.set()
        assert service.answers == {0: "together 0"}
        assert service.together == [[0]]

    anyio.run(scenario)


def test_calls_beyond_those_that_may_wait_are_refused_at_once(engine) -> None:
    async def scenario() -> None:
        service = Service(engine, waiting=1)
        async with anyio.create_task_group() as tasks:
            for call in (0, 1):
                tasks.start_soon(service.send, call)
            await until(lambda: service.lane.waiting == 1)
            with pytest.raises(HTTPException):
                await service.batches.run(2)
            service.let_go.set()
        assert service.answers == {0: "together 0", 1: "together 1"}

    anyio.run(scenario)


def test_a_cancelled_call_holds_up_no_other_one(engine) -> None:
    async def scenario() -> None:
        service = Service(engine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.send, 0)
            await until(lambda: service.together == [[0]])
            with anyio.move_on_after(0.05):
                await service.batches.run(1)
            tasks.start_soon(service.send, 2)
            await until(lambda: service.lane.waiting == 1)
            service.let_go.set()
        assert service.answers == {0: "together 0", 2: "together 2"}

    anyio.run(scenario)
