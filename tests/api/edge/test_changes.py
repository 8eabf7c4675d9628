"""Waiting requests hear of what any process commits, and survive a lost connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from api.edge.changes import MAX_WAITERS, Changes, wait
from api.store.notifications import CHANGES

PATIENCE = 20.0  # seconds


@pytest.fixture
def url(engine: Any) -> str:
    address: str = engine.url.render_as_string(hide_password=False)
    return address


def listening(url: str, run: Callable[[Changes], Awaitable[None]]) -> None:
    """Run something while an object of Changes listens."""

    async def both() -> None:
        changes = Changes(url)
        listener = asyncio.create_task(changes.listen())
        try:
            await run(changes)
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    asyncio.run(both())


async def notify(url: str, search_id: UUID) -> None:
    """Commit a change of a search, as another process."""
    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute("SELECT pg_notify(%s, %s)", (CHANGES, str(search_id)))


async def heard(url: str, search_id: UUID, event: asyncio.Event) -> None:
    """Change a search until its event is set: the listener may not be connected yet."""
    async with asyncio.timeout(PATIENCE):
        while not event.is_set():
            await notify(url, search_id)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), 0.2)


def test_requests_that_wait_for_a_search_or_for_any_are_woken_and_no_others(url: str) -> None:
    search, other = uuid4(), uuid4()

    async def run(changes: Changes) -> None:
        with (
            changes.subscribe(search) as first,
            changes.subscribe(search) as second,
            changes.subscribe(None) as anything,
            changes.subscribe(other) as theirs,
        ):
            await heard(url, search, first)
            assert second.is_set()
            assert anything.is_set()
            assert not theirs.is_set()

    listening(url, run)


def test_a_lost_connection_is_opened_again(url: str, engine: Any) -> None:
    search = uuid4()
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'netmorph changes'"
    )

    async def run(changes: Changes) -> None:
        with changes.subscribe(search) as event:
            await heard(url, search, event)
            with engine.connect() as connection:
                assert connection.execute(end).all() == [(True,)]
            event.clear()
            await heard(url, search, event)

    listening(url, run)


def test_no_more_requests_wait_than_the_limit_and_ended_ones_make_room() -> None:
    changes = Changes("postgresql://nowhere")
    search = uuid4()
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_WAITERS):
            assert not changes.full
            stack.enter_context(changes.subscribe(search))
        assert changes.full
    assert not changes.full


def test_waiting_ends_with_the_event_or_the_time_and_clears_the_event() -> None:
    async def run() -> None:
        event = asyncio.Event()
        await wait(event, 0.0)
        await wait(event, -1.0)
        event.set()
        async with asyncio.timeout(PATIENCE):
            await wait(event, 3600.0)
        assert not event.is_set()

    asyncio.run(run())


def test_requests_that_wait_are_woken_when_the_process_shuts_down() -> None:
    async def run() -> None:
        changes = Changes("postgresql://nowhere")
        with changes.subscribe(uuid4()) as one, changes.subscribe(None) as other:
            assert not changes.closing
            changes.close()
            assert one.is_set()
            assert other.is_set()
            assert changes.closing

    asyncio.run(run())
