"""Notifies waiting requests of this process of changes that any process has committed.

One connection listens to Postgres; each waiting request has an event. A lost connection is opened
again, and waiting requests also poll: a lost notification costs seconds, never an update.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from api.store.notifications import CHANGES

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0  # a waiting request polls this often
_RETRY_SECONDS = 1.0
MAX_WAITERS = 2_000


class Changes:
    """Passes the notifications of changed searches on to waiting requests."""

    def __init__(self, database_url: str) -> None:
        self._address = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
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
                    self._address, autocommit=True, application_name="netmorph changes"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANGES}")
                    async for notification in connection.notifies():
                        self._set_events(notification.payload)
            except psycopg.Error as error:
                log.warning("cannot listen for changes: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _set_events(self, payload: str) -> None:
        for event in [*self._waiters.get(UUID(payload), ()), *self._waiters.get(None, ())]:
            event.set()


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most this long, and clear it."""
    try:
        await asyncio.wait_for(event.wait(), max(0.0, seconds))
    except TimeoutError:
        return
    event.clear()
