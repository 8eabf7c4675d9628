"""A lease held: heartbeats and epoch reports go out from a thread of their own.

Only the database's clock decides how long a lease lasts. The worker counts from the moment it sent
a request, on its monotonic clock, less a margin: it can only stop trusting its lease too early
(as the leader's term in the River job queue).
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from core.protocol.contracts import Action, Answer, EpochReport, TrainOrder
from worker.reports import ControllerClient, Refused, Stale, Unreachable

logger = logging.getLogger(__name__)

_TRUSTED_SHARE = 5 / 6  # of the lease: 25 of 30 seconds
_LONGEST_REQUEST = 5.0  # seconds


class HeldLease:
    """The lease of one order, kept alive while the `with` block runs.

    `tell` gets every answer that is not `continue`, from the lease's thread.
    """

    def __init__(
        self,
        controller: ControllerClient,
        order: TrainOrder,
        *,
        asked_at: float,  # monotonic, before the request that was answered with the order
        heartbeat_seconds: float,
        tell: Callable[[Answer], None],
    ) -> None:
        self.step = 0  # told by the next heartbeat
        self._controller = controller
        self._order = order
        self._every = min(heartbeat_seconds, order.lease_seconds / 3)
        self._timeout = min(self._every, _LONGEST_REQUEST)
        self._tell = tell
        self._trusted_until = asked_at + order.lease_seconds * _TRUSTED_SHARE
        self._due = monotonic() + self._every
        self._epochs: deque[EpochReport] = deque()
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

    def trusted(self) -> bool:
        """Whether nobody else can have been given the trial yet."""
        return not self._lost and monotonic() < self._trusted_until

    def report(self, epoch: EpochReport) -> None:
        """Send the report soon; a report that fails is sent again, in order."""
        self._epochs.append(epoch)
        self._wake.set()

    def give_up(self) -> None:
        """Send nothing more, not even the reports that are left."""
        self._lost = True
        self._wake.set()

    def _run(self) -> None:
        """Send until closed; what epochs are left then are still sent while the lease lasts."""
        while self.trusted() and (self._epochs or not self._closing):
            self._wake.clear()
            try:
                self._send()
            except Unreachable as error:
                logger.warning("heartbeat not delivered: %s", error)
                self._wake.wait(self._every / 3)
            except Stale as error:
                logger.warning("the lease is lost: %s", error)
                self.give_up()
                self._tell(Answer(action=Action.ABANDON, reason=str(error)))
            else:
                self._rest()

    def _rest(self) -> None:
        if not self._closing:
            self._wake.wait(max(self._due - monotonic(), 0.0))

    def _send(self) -> None:
        if monotonic() >= self._due:
            self._beat()
        while self._epochs:
            self._report(self._epochs[0])
            self._epochs.popleft()

    def _beat(self) -> None:
        sent = monotonic()
        try:
            answer = self._controller.heartbeat(self._order, self.step, self._timeout)
        except Refused as error:
            raise Unreachable(f"the controller refuses the heartbeat: {error}") from error
        self._trusted_until = sent + self._order.lease_seconds * _TRUSTED_SHARE
        self._due = sent + self._every
        self._heed(answer)

    def _report(self, epoch: EpochReport) -> None:
        try:
            self._heed(self._controller.epoch(self._order, epoch, self._timeout))
        except Refused as error:
            logger.error("an epoch's report is lost: %s", error)

    def _heed(self, answer: Answer) -> None:
        if answer.action is not Action.CONTINUE:
            self._tell(answer)
