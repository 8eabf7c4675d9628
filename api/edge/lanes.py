"""Lanes: worker calls have threads of their own, so that readers and floods never hold them up.

Each lane carries out a few calls at the same time and lets some more wait. Further ones are refused
at once, and so are those that have waited too long: a worker that is told to come back keeps its
lease, one whose request is stuck in a queue loses it. Reports of trainings have a lane before
requests for work: when there is too much to do, what runs is finished first.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException

T = TypeVar("T")

REPORT_THREADS, LEASE_THREADS = 6, 4
WAITING_REPORTS, WAITING_LEASES = 150, 50
SECONDS = 8.0  # in a lane, at most; workers give up on a request after ten


class Lane:
    """Calls of one kind: how many run at the same time, and how many wait, has bounds."""

    def __init__(self, threads: int, waiting: int, seconds: float = SECONDS) -> None:
        self._limiter = CapacityLimiter(threads)
        self._waiting, self._seconds = waiting, seconds

    @property
    def is_crowded(self) -> bool:
        """Whether calls wait for a thread."""
        return self._limiter.statistics().tasks_waiting > 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, carried out in a thread.

        Raises HTTPException 503 with Retry-After where too many wait, or it took too long to begin.
        The call may have been carried out in the second case: it must be idempotent.
        """
        if self._limiter.statistics().tasks_waiting >= self._waiting:
            raise _busy()
        try:
            with anyio.fail_after(self._seconds):
                return await to_thread.run_sync(call, limiter=self._limiter)
        except TimeoutError as error:
            raise _busy() from error


class Lanes:
    """The lanes of one application."""

    def __init__(self) -> None:
        self.reports = Lane(REPORT_THREADS, WAITING_REPORTS)
        self.leases = Lane(LEASE_THREADS, WAITING_LEASES)


def _busy() -> HTTPException:
    return HTTPException(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the service has more to do than it can: try again in two seconds",
        {"Retry-After": "2"},
    )
