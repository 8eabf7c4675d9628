"""A lease that a thread of its own keeps alive by heartbeats; it sends the other reports as well.

Only the database's clock decides when a lease ends, and only the controller knows whether another
worker has the trial then. So a worker that cannot reach the controller continues its training and
tries again. Every report is fenced by attempt and token: those of a lost lease change nothing.
"""

import logging
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.fields import MOST_GATHERED
from core.protocol.contracts.reports import Action, Answer, EpochMetrics
from core.protocol.contracts.train_orders import TrainOrder
from worker.agent.controller_client import (
    ControllerClient,
    ControllerUnreachable,
    Refused,
    StaleLease,
)

logger = logging.getLogger(__name__)

_LONGEST_REQUEST = 5.0  # seconds
_GATHERING = 0.5  # seconds for which an epoch waits for others, or for the end of the training


class HeldLease:
    """The lease of one order, renewed while the `with` block runs.

    The block ends when all reports are delivered, or the lease is abandoned.

    `on_answer` gets every answer other than `continue`, on the lease's thread.
    """

    def __init__(
        self,
        controller: ControllerClient,
        order: TrainOrder,
        *,
        heartbeat_seconds: float,
        on_answer: Callable[[Answer], None],
        clock: Callable[[], float] = monotonic,  # seconds
    ) -> None:
        self._step = 0  # sent with the next heartbeat
        self._controller = controller
        self._order = order
        self._clock = clock
        self._heartbeat_seconds = min(heartbeat_seconds, order.lease_seconds / 3)
        self._timeout = min(order.lease_seconds / 3, _LONGEST_REQUEST)
        self._on_answer = on_answer
        self._heartbeat_due = clock() + self._heartbeat_seconds
        self._reports: deque[EpochMetrics | Checkpoint] = deque()
        self._sending: Checkpoint | list[EpochMetrics] | None = None  # until it is delivered
        self._taking = Lock()  # held to take reports
        self._reports_due = float("inf")
        self._wake = Event()
        self._closing = False
        self._abandoned = False
        run = copy_context().run  # its requests belong to the trace of the training
        self._thread = Thread(target=run, args=(self._run,), name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.abandon()
        self.finish()

    def set_step(self, step: int) -> None:
        """Say how many steps were made; the first is reported at once, as time counts from it."""
        if step > self._step == 0:
            self._heartbeat_due = self._clock()
            self._wake.set()
        self._step = step

    def report(self, report: EpochMetrics | Checkpoint) -> None:
        """Send an epoch or a checkpoint soon; a report that fails is sent again, in order.

        An epoch waits a moment for others, where the controller takes several in one report.
        """
        waits = self._order.gathers_epochs and isinstance(report, EpochMetrics)
        due = self._clock() + (_GATHERING if waits else 0.0)
        self._reports.append(report)
        self._reports_due = min(self._reports_due, due)
        self._wake.set()

    def take_epochs(self) -> tuple[EpochMetrics, ...]:
        """The last epochs that have not been sent; they are the caller's now, for the result.

        None where a checkpoint came after them, or the controller does not take them there.
        """
        taken: deque[EpochMetrics] = deque()
        if self._order.gathers_epochs:
            with self._taking:
                while len(taken) < MOST_GATHERED and self._reports:
                    last = self._reports[-1]
                    if isinstance(last, Checkpoint):
                        break
                    taken.appendleft(last)
                    self._reports.pop()
        return tuple(taken)

    def finish(self, timeout: float | None = None) -> bool:
        """Send the remaining reports and end; False where that takes more than these seconds."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Send nothing more, not even the remaining reports."""
        self._abandoned = True
        self._wake.set()

    def _run(self) -> None:
        """Send until closed, and then the remaining reports; each until the controller has it."""
        while not self._abandoned and (self._reports or self._sending or not self._closing):
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
            due = min(self._heartbeat_due, self._reports_due)
            self._wake.wait(max(due - self._clock(), 0.0))

    def _send(self) -> None:
        if self._clock() >= self._heartbeat_due:
            self._send_heartbeat()
        if self._closing or self._sending is not None or self._clock() >= self._reports_due:
            self._reports_due = float("inf")  # of those that come from now on
            while self._take_reports():
                self._send_reports()
                self._sending = None

    def _take_reports(self) -> bool:
        """Take the reports that are sent next, unless some were taken; False where none are left.

        These are one checkpoint, or epochs that follow each other.
        """
        with self._taking:
            if self._sending is None and self._reports:
                first = self._reports.popleft()
                self._sending = first if isinstance(first, Checkpoint) else self._gathered(first)
        return self._sending is not None

    def _gathered(self, first: EpochMetrics) -> list[EpochMetrics]:
        """An epoch with those after it that are sent in the same report."""
        gathered = [first]
        most = MOST_GATHERED if self._order.gathers_epochs else 1
        while self._reports and len(gathered) < most:
            following = self._reports[0]
            if isinstance(following, Checkpoint):
                break
            gathered.append(following)
            self._reports.popleft()
        return gathered

    def _send_heartbeat(self) -> None:
        sent_at = self._clock()
        try:
            answer = self._controller.heartbeat(self._order, self._step, self._timeout)
        except Refused as error:
            raise ControllerUnreachable(f"the controller refuses the heartbeat: {error}") from error
        self._heartbeat_due = sent_at + self._heartbeat_seconds
        self._handle(answer)

    def _send_reports(self) -> None:
        """Send what was taken."""
        try:
            match self._sending:
                case Checkpoint() as stored:
                    about = f"checkpoint of epoch {stored.epoch}"
                    answer = self._controller.checkpoint(self._order, stored, self._timeout)
                case [*_, last] as epochs:
                    about = f"report of epoch {last.epoch}"
                    answer = self._controller.epochs(self._order, epochs, self._timeout)
            self._handle(answer)
        except Refused as error:
            logger.error("the %s is dropped: %s", about, error)

    def _handle(self, answer: Answer) -> None:
        if answer.action is not Action.CONTINUE:
            self._on_answer(answer)
