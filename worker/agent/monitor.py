"""The monitor of one training: from events and times it decides whether and how the training ends.

No clock and no I/O here: times are passed in, in seconds of one monotonic clock.
"""

from dataclasses import dataclass, field
from enum import Enum

from core.protocol.contracts.reports import Action, Answer
from core.protocol.contracts.results import TrialOutcome
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialKind, TrialStatus
from worker.agent.trainer_process import EndOfEvents, Notice
from worker.messages import Ended, EpochEnded, Interrupt, Interrupted, Progress, Reading, Stop

_END_STATUSES = frozenset(
    {TrialStatus.COMPLETED, TrialStatus.STOPPED, TrialStatus.INFEASIBLE, TrialStatus.FAILED}
)
_ABANDON_SECONDS = 5.0  # for the trainer to end after an answer to abandon
_SLOWER = 10.0  # an export reports no progress within its test: it may be silent as much longer


class Ending(Enum):
    """Why a training is over."""

    ENDED = "the trainer reported its end"
    DIED = "the trainer died"
    HUNG = "no progress"
    UNSTOPPABLE = "it did not stop"
    ABANDONED = "another worker may have the trial"
    INTERRUPTED = "it was interrupted, as the worker is shutting down"
    SHUT_DOWN = "it was not interrupted in time, and the worker is shutting down"

    @property
    def is_handed_back(self) -> bool:
        """Whether another worker is to continue the attempt."""
        return self in (Ending.INTERRUPTED, Ending.SHUT_DOWN)

    @property
    def is_reported(self) -> bool:
        """Whether the controller gets an outcome."""
        return self is not Ending.ABANDONED and not self.is_handed_back


@dataclass(slots=True, kw_only=True)
class TrainingMonitor:
    """What is known about one training."""

    order: TrainOrder
    hang_seconds: float
    stop_seconds: float
    started: float
    step: int = 0
    epochs: int = 0
    progress_at: float = field(init=False)
    begun_at: float | None = None  # when its first step was reported
    epoch_began: float = field(init=False)
    longest_epoch: float = 0.0  # seconds; the present epoch counts until its last progress
    request: Answer | None = None  # the first answer other than `continue`
    requested_at: float = 0.0
    stopped_by: float = 0.0  # when a stop must have been obeyed
    shutdown_at: float | None = None  # when the worker began to shut down
    ended: Ended | None = None
    interrupted: bool = False
    died: bool = False
    out_of_memory: bool = False  # why it died
    _sent: set[str] = field(default_factory=set)  # commands that the trainer has got

    def __post_init__(self) -> None:
        self.progress_at = self.epoch_began = self.started

    @property
    def hang_limit(self) -> float:
        """Seconds without progress that count as a hang; an evaluation may take a whole epoch."""
        is_export = self.order.kind is TrialKind.EXPORT
        return max(self.hang_seconds * (_SLOWER if is_export else 1), self.longest_epoch)

    def observe(self, notice: Notice, now: float) -> None:
        """Record one event of the trainer, or one answer of the controller."""
        match notice:
            case Progress(step=step) if step > self.step:
                self.begun_at = now if self.begun_at is None else self.begun_at
                self.step = step
                self._record_progress(now)
            case Reading():
                self.progress_at = self.epoch_began = now
            case EpochEnded():
                self.epochs += 1
                self._record_progress(now)
                self.epoch_began = now
            case Ended():
                self.ended = notice
            case Interrupted():
                self.interrupted = True
            case EndOfEvents():
                self.died = True
            case Answer():
                self._record_request(notice, now)

    def enforce_time_limit(self, now: float) -> None:
        """Request a stop where the training has exceeded its own time limit.

        The time begins with the first step: before it, data are read.
        """
        limit = self.order.hyperparameters.max_seconds
        if limit is None or self.begun_at is None:
            return
        if now > self.begun_at + limit + self.hang_seconds:
            reason = f"past its limit of {limit:g} s"
            self._record_request(Answer(action=Action.STOP, reason=reason), now)

    def shut_down(self, now: float) -> None:
        """The worker is shutting down: the training is handed back unless it ends meanwhile."""
        if self.shutdown_at is None:
            self.shutdown_at = now

    def new_command(self) -> Stop | Interrupt | None:
        """The command that the trainer is to get now; each is returned once."""
        command: Stop | Interrupt | None = None
        if self.request is not None:
            command = Stop(reason=self.request.reason)
        elif self.shutdown_at is not None:
            command = Interrupt()
        if command is None or command.command in self._sent:
            return None
        self._sent.add(command.command)
        return command

    def ending(self, now: float) -> Ending | None:
        """Why the training is over; None while it may continue."""
        is_abandoned = self.request is not None and self.request.action is Action.ABANDON
        if self.ended is not None:
            return Ending.ABANDONED if is_abandoned else Ending.ENDED
        if self.interrupted:
            return Ending.ABANDONED if is_abandoned else Ending.INTERRUPTED
        if self.died:
            return Ending.ABANDONED if is_abandoned else Ending.DIED
        if is_abandoned:
            return Ending.ABANDONED if now > self.requested_at + _ABANDON_SECONDS else None
        if self.shutdown_at is not None and now > self.shutdown_at + self.stop_seconds:
            return Ending.SHUT_DOWN if self.request is None else Ending.UNSTOPPABLE
        if self.request is not None:
            return Ending.UNSTOPPABLE if now > self.stopped_by else None
        return Ending.HUNG if now > self.progress_at + self.hang_limit else None

    def outcome(self, ending: Ending, now: float, exit_summary: str) -> TrialOutcome | None:
        """The outcome to report; None where the controller gets none."""
        if not ending.is_reported:
            return None
        ended = self.ended if ending is Ending.ENDED else None
        if ended is None or ended.status not in _END_STATUSES:
            return self._unreported_end(ending, now - self.started, exit_summary)
        if ended.status is TrialStatus.STOPPED and self.request is not None and not ended.reason:
            return ended.model_copy(update={"reason": self.request.reason})
        return ended

    def _record_progress(self, now: float) -> None:
        self.progress_at = now
        self.longest_epoch = max(self.longest_epoch, now - self.epoch_began)

    def _record_request(self, answer: Answer, now: float) -> None:
        """Keep the first request; only a request to abandon replaces one to stop."""
        if self.request is None or (self.request.action, answer.action) == (
            Action.STOP,
            Action.ABANDON,
        ):
            self.request, self.requested_at = answer, now
            self.stopped_by = now + self._seconds_to_stop()

    def _seconds_to_stop(self) -> float:
        """Seconds to obey a stop; an evaluation follows, and test and export of a final fit."""
        is_final = self.order.kind is TrialKind.FINAL
        return max(self.stop_seconds, self.hang_limit if is_final else self.longest_epoch)

    def _unreported_end(self, ending: Ending, seconds: float, exit_summary: str) -> Ended:
        """How a training ended of which the trainer did not report the end."""
        if self.request is not None:
            status, may_retry = TrialStatus.STOPPED, False
            reason = f"{self.request.reason or 'stopped'}; killed: {ending.value}"
        else:
            status = TrialStatus.INFEASIBLE if self.out_of_memory else TrialStatus.FAILED
            may_retry = not self.out_of_memory
            details = self._details(ending, exit_summary)
            reason = f"{ending.value} at step {self.step} {details}".rstrip()
        return Ended(
            status=status,
            reason=reason,
            retry=may_retry,
            out_of_memory=status is TrialStatus.INFEASIBLE,
            epochs=self.epochs,
            seconds=seconds,
        )

    def _details(self, ending: Ending, exit_summary: str) -> str:
        status = self.ended and self.ended.status
        return {
            Ending.DIED: exit_summary,
            Ending.HUNG: f"for {self.hang_limit:.0f} s",
            Ending.ENDED: f"with the status {status}, with which no training ends",
        }.get(ending, "")
