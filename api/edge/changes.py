"""Notifies waiting requests of this process of changes that any process has committed.

One connection listens to Postgres; each waiting request has an event. A lost connection is opened
again, and waiting requests also poll: a lost notification costs seconds, never an update.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from api.db import listener_parameters
from api.store.notifications import CHANGES, EVERYBODY

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0  # a waiting request polls this often
_RETRY_SECONDS = 1.0
_CHECK_SECONDS = 10.0  # between two checks that a silent connection is alive
_GATHER_SECONDS = 0.02  # between two readings: many notifications cost as much as one
MAX_WAITERS = 2_000


class Changes:
    """Passes the notifications of changed searches on to waiting requests."""

    def __init__(
        self, database_url: str, on_lost_access: Callable[[], None] = lambda: None
    ) -> None:
        """`on_lost_access` is called when somebody may have lost access."""
        self._on_lost_access = on_lost_access
        self._database = listener_parameters(database_url, "netmorph changes")
        self._waiters: defaultdict[UUID | None, set[asyncio.Event]] = defaultdict(set)
        self._count = 0
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether the process is shutting down, so that no request may wait any longer."""
        return self._closing

    def close(self) -> None:
        """Wake every waiting request, as the process is shutting down."""
        self._closing = True
        for events in self._waiters.values():
            for event in events:
                event.set()

    @property
    def full(self) -> bool:
        """Whether the largest number of requests waits already."""
        return self._count >= MAX_WAITERS

    @contextmanager
    def subscribe(self, search_id: UUID | None) -> Iterator[asyncio.Event]:
        """An event that is set at each change of the search; of any search for None."""
        event = asyncio.Event()
        self._waiters[search_id].add(event)
        self._count += 1
        try:
            yield event
        finally:
            self._count -= 1
            self._waiters[search_id].discard(event)
            if not self._waiters[search_id]:
                del self._waiters[search_id]

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    autocommit=True, **self._database
                ) as connection:
                    await _execute(connection, f"LISTEN {CHANGES}")
                    await self._pass_on(connection)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("cannot listen for changes: %s", error or "no answer")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _pass_on(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Pass notifications on until the connection fails, or the server does not answer."""
        while True:
            has_come = False
            async for notification in connection.notifies(timeout=_CHECK_SECONDS, stop_after=1):
                has_come = True
                self._set_events(notification.payload)
            if has_come:
                await asyncio.sleep(_GATHER_SECONDS)
            else:
                await _execute(connection, "SELECT 1")

    def _set_events(self, payload: str) -> None:
        search_id = UUID(payload)
        if search_id == EVERYBODY:
            self._on_lost_access()
        of = list(self._waiters) if search_id == EVERYBODY else [search_id, None]
        for event in [event for one in of for event in self._waiters.get(one, ())]:
            event.set()


async def _execute(connection: psycopg.AsyncConnection[Any], statement: str) -> None:
    """Run a short statement; TimeoutError where the server does not answer."""
    async with asyncio.timeout(_CHECK_SECONDS):
        await connection.execute(statement.encode())


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most this long, and clear it."""
    try:
        await asyncio.wait_for(event.wait(), max(0.0, seconds))
    except TimeoutError:
        return
    event.clear()
