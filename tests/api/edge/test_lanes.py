"""Lanes carry out a few calls at a time, let some wait, and refuse the others at once."""

import threading
from http import HTTPStatus

import anyio
import pytest
from fastapi import HTTPException

from api.edge.lanes import Lane


class Held:
    """A call that is held until it is let go."""

    def __init__(self) -> None:
        self.began, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.let_go.wait(30)
        return "done"


async def until(is_true) -> None:
    with anyio.fail_after(30):
        while not is_true():
            await anyio.sleep(0.01)


def test_a_call_returns_its_result_and_its_error() -> None:
    async def scenario() -> None:
        lane = Lane(threads=1, waiting=1)
        assert await lane.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)

    anyio.run(scenario)


def test_a_call_beyond_the_waiting_ones_is_refused_at_once() -> None:
    async def scenario() -> None:
        lane, held, results = Lane(threads=1, waiting=1), Held(), []

        async def call(what) -> None:
            results.append(await lane.run(what))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, held)
            await until(held.began.is_set)
            tasks.start_soon(call, lambda: "waited")
            await until(lambda: lane.waiting == 1)
            with pytest.raises(HTTPException) as refused:
                await lane.run(lambda: "refused")
            held.let_go.set()
        assert refused.value.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert refused.value.headers == {"Retry-After": "2"}
        assert results == ["done", "waited"]

    anyio.run(scenario)


def test_a_call_that_waits_too_long_is_refused() -> None:
    async def scenario() -> None:
        lane, held = Lane(threads=1, waiting=5), Held()
        done: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run, held)
            await until(held.began.is_set)
            lane.seconds = 0.05
            with pytest.raises(HTTPException) as refused:
                await lane.run(lambda: done.append("too late"))
            lane.seconds = 30.0
            held.let_go.set()
        assert await lane.run(lambda: 7) == 7
        assert done == []  # nor later
        assert refused.value.status_code == HTTPStatus.SERVICE_UNAVAILABLE

    anyio.run(scenario)


def test_one_lane_does_not_hold_up_another() -> None:
    async def scenario() -> None:
        full, free, held = Lane(threads=1, waiting=1), Lane(threads=1, waiting=1), Held()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(full.run, held)
            await until(held.began.is_set)
            assert await free.run(lambda: "at once") == "at once"
            held.let_go.set()

    anyio.run(scenario)
