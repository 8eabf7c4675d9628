"""A lease that a thread of its own keeps alive by heartbeats; it sends the epoch reports as well.

Only the database's clock decides when a lease ends. The worker counts from the moment it sent a
request, by its monotonic clock, and subtracts a margin: so it can stop trusting its lease too
early, but never too late (like the leader's term in the River job queue).
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from core.protocol.contracts import Action, Answer, EpochMetrics, TrainOrder
from worker.agent.controller_client import (
    ControllerClient,
    ControllerUnreachable,
    Refused,
    StaleLease,
)

logger = logging.getLogger(__name__)

_TRUSTED_SHARE = 5 / 6  # of the lease: 25 of 30 seconds
_LONGEST_REQUEST = 5.0  # seconds


class HeldLease:
    """The lease of one order, renewed while the `with` block runs.

    `on_answer` gets every answer other than `continue`, on the lease's thread.
    """

    def __init__(
        self,
        controller: ControllerClient,
        order: TrainOrder,
        *,
        requested_at: float,  # by the clock, before the request that returned the order
        heartbeat_seconds: float,
        on_answer: Callable[[Answer], None],
        clock: Callable[[], float] = monotonic,  # seconds
    ) -> None:
        self.step = 0  # sent with the next heartbeat
        self._controller = controller
        self._order = order
        self._clock = clock
        self._heartbeat_seconds = min(heartbeat_seconds, order.lease_seconds / 3)
        self._timeout = min(self._heartbeat_seconds, _LONGEST_REQUEST)
        self._on_answer = on_answer
        self._trusted_until = self._end_of_trust(requested_at)
        self._heartbeat_due = clock() + self._heartbeat_seconds
        self._epochs: deque[EpochMetrics] = deque()
        self._wake = Event()
        self._closing = False
        self._lost = False
        self._thread = Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def is_trusted(self) -> bool:
        """Whether the controller cannot have leased the trial to another worker yet."""
        return not self._lost and self._clock() < self._trusted_until

    def report(self, epoch: EpochMetrics) -> None:
        """Send the epoch soon; a report that fails is sent again, in order."""
        self._epochs.append(epoch)
        self._wake.set()

    def abandon(self) -> None:
        """Send nothing more, not even the remaining reports."""
        self._lost = True
        self._wake.set()

    def _run(self) -> None:
        """Send until closed; the remaining reports are sent after that, while the lease lasts."""
        while self.is_trusted() and (self._epochs or not self._closing):
            self._wake.clear()
            try:
                self._send()
            except ControllerUnreachable as error:
                logger.warning("heartbeat or report not delivered, it is sent again: %s", error)
                self._wake.wait(max(self._heartbeat_seconds / 3, error.retry_after))
            except StaleLease as error:
                logger.warning("the lease is lost: %s", error)
                self.abandon()
                self._on_answer(Answer(action=Action.ABANDON, reason=str(error)))
            else:
                self._wait_until_due()

    def _wait_until_due(self) -> None:
        if not self._closing:
            self._wake.wait(max(self._heartbeat_due - self._clock(), 0.0))

    def _send(self) -> None:
        if self._clock() >= self._heartbeat_due:
            self._send_heartbeat()
        while self._epochs:
            self._send_report(self._epochs[0])
            self._epochs.popleft()

    def _send_heartbeat(self) -> None:
        sent_at = self._clock()
        try:
            answer = self._controller.heartbeat(self._order, self.step, self._timeout)
        except Refused as error:
            raise ControllerUnreachable(f"the controller refuses the heartbeat: {error}") from error
        self._trusted_until = self._end_of_trust(sent_at)
        self._heartbeat_due = sent_at + self._heartbeat_seconds
        self._handle(answer)

    def _send_report(self, epoch: EpochMetrics) -> None:
        try:
            self._handle(self._controller.epoch(self._order, epoch, self._timeout))
        except Refused as error:
            logger.error("the report of epoch %d is dropped: %s", epoch.epoch, error)

    def _handle(self, answer: Answer) -> None:
        if answer.action is not Action.CONTINUE:
            self._on_answer(answer)

    def _end_of_trust(self, sent_at: float) -> float:
        """Until when a lease is trusted that a request sent at this time has begun or renewed."""
        return sent_at + self._order.lease_seconds * _TRUSTED_SHARE
