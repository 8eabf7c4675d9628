"""Lanes: worker calls have threads of their own, so that readers and floods never hold them up.

Each lane carries out a few calls at the same time and lets some more wait. Further ones are refused
at once, and so are those that have waited too long: a worker that is told to come back keeps its
lease, one whose request is stuck in a queue loses it. Reports of trainings have a lane before
requests for work: when there is too much to do, what runs is finished first.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from http import HTTPStatus
from typing import TypeVar

from fastapi import HTTPException

T = TypeVar("T")

REPORT_THREADS, LEASE_THREADS = 6, 4
WAITING_REPORTS, WAITING_LEASES = 150, 50
SECONDS = 8.0  # that a call waits for a thread, at most; workers give up on a request after ten


class Lane:
    """Calls of one kind: how many run at the same time, and how many wait, has bounds."""

    def __init__(self, threads: int, waiting: int, seconds: float = SECONDS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="lane")
        self._threads, self._most_waiting, self._seconds = threads, waiting, seconds
        self._calls = 0  # that run or wait

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return max(0, self._calls - self._threads)

    @property
    def is_crowded(self) -> bool:
        """Whether calls wait for a thread."""
        return self.waiting > 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, carried out in a thread.

        Raises HTTPException 503 with Retry-After where too many wait, or no thread was free in
        time; the call is not carried out then.
        """
        if self._calls >= self._threads + self._most_waiting:
            raise _busy()
        job = self._executor.submit(copy_context().run, call)
        impatience = asyncio.get_running_loop().call_later(self._seconds, job.cancel)
        self._calls += 1
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if _is_being_cancelled(job):
                raise
            raise _busy() from None
        finally:
            impatience.cancel()
            self._calls -= 1

    def close(self) -> None:
        """End the threads; calls that wait are not carried out."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _is_being_cancelled(job: Future[T]) -> bool:
    """Whether the request itself is cancelled, not its job for waiting too long."""
    task = asyncio.current_task()
    return not job.cancelled() or (task is not None and task.cancelling() > 0)


class Lanes:
    """The lanes of one application."""

    def __init__(self) -> None:
        self.reports = Lane(REPORT_THREADS, WAITING_REPORTS)
        self.leases = Lane(LEASE_THREADS, WAITING_LEASES)

    def close(self) -> None:
        """End the threads of all lanes."""
        self.reports.close()
        self.leases.close()


def _busy() -> HTTPException:
    return HTTPException(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the service has more to do than it can: try again in two seconds",
        {"Retry-After": "2"},
    )
