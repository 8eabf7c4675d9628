"""Lanes: worker calls have threads of their own, so that readers and floods never hold them up.

Each lane carries out a few calls at the same time and lets some more wait. Further ones are refused
at once, and so are those that have waited too long: a worker that is told to come back keeps its
lease, one whose request is stuck in a queue loses it. Reports of trainings have a lane before
requests for work: when there is too much to do, what runs is finished first.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from http import HTTPStatus
from typing import TypeVar

from fastapi import HTTPException

T = TypeVar("T")

REPORT_THREADS, LEASE_THREADS = 6, 4
WAITING_REPORTS, WAITING_LEASES = 150, 50
SECONDS = 8.0  # that a call waits for a thread, at most; workers give up on a request after ten


class Busy(HTTPException):
    """There is no room for a call now; it was not carried out."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the service has more to do than it can: try again in two seconds",
            {"Retry-After": "2"},
        )


class Lane:
    """Calls of one kind: how many run at the same time, and how many wait, has bounds."""

    def __init__(self, threads: int, waiting: int, seconds: float = SECONDS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="lane")
        self._threads, self._most_waiting, self.seconds = threads, waiting, seconds
        self._calls = 0  # that run or wait

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return max(0, self._calls - self._threads)

    @property
    def is_crowded(self) -> bool:
        """Whether half of the calls wait that may wait."""
        return self.waiting > self._most_waiting // 2

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, carried out in a thread.

        Raises Busy where too many wait, or no thread was free in
        time; the call is not carried out then.
        """
        with self.admitted():
            job = self._executor.submit(copy_context().run, call)
            impatience = asyncio.get_running_loop().call_later(self.seconds, job.cancel)
            try:
                return await asyncio.wrap_future(job)
            except asyncio.CancelledError:
                if _is_being_cancelled(job):
                    raise
                raise Busy from None
            finally:
                impatience.cancel()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """The result of a call for others that were admitted: it is never refused."""
        return await asyncio.wrap_future(self._executor.submit(call))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a call; raises Busy where too many wait."""
        if self._calls >= self._threads + self._most_waiting:
            raise Busy
        self._calls += 1
        try:
            yield
        finally:
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
