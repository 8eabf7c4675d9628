"""Tells waiting requests of this process what was committed, by whichever process.

One connection listens to Postgres; each waiter holds an event. A lost connection is made anew, and
whoever waits looks by itself now and then: a lost notice costs seconds, never an update.
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

POLL_SECONDS = 5.0  # how long a waiter trusts silence
_RETRY_SECONDS = 1.0
MAX_WAITERS = 2_000


class Changes:
    """Fans out the notices of changed searches."""

    def __init__(self, database_url: str) -> None:
        self._address = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._waiters: defaultdict[UUID | None, set[asyncio.Event]] = defaultdict(set)
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether so many wait already that no more are taken."""
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
                    async for notice in connection.notifies():
                        self._tell(notice.payload)
            except psycopg.Error as error:
                log.warning("not listening for changes: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _tell(self, payload: str) -> None:
        for event in [*self._waiters.get(UUID(payload), ()), *self._waiters.get(None, ())]:
            event.set()


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long, and clear it."""
    try:
        await asyncio.wait_for(event.wait(), max(0.0, seconds))
    except TimeoutError:
        return
    event.clear()
