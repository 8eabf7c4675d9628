"""The watch over one training: from what was seen and the time, whether and how it is at its end.

No clock and no I/O here: times are passed in, in seconds of one monotonic clock.
"""

from dataclasses import dataclass, field
from enum import Enum

from core.protocol.contracts import Action, Answer, TrainOrder, TrialResult
from core.protocol.states import TrialStatus
from worker.messages import Ended, EpochEnded, Progress
from worker.process import Died, Notice

_ENDINGS = frozenset(
    {TrialStatus.COMPLETED, TrialStatus.STOPPED, TrialStatus.INFEASIBLE, TrialStatus.FAILED}
)
_ABANDON_SECONDS = 5.0  # to end after an order to abandon
_LONGEST_REASON = 2000
_LONGEST_PRECISION = 64


class Ending(Enum):
    """Why a training is at its end."""

    ENDED = "the trainer said so"
    DIED = "the trainer died"
    HUNG = "no progress"
    UNSTOPPABLE = "it did not stop"
    ABANDONED = "the trial is no longer ours"
    UNTRUSTED = "the lease may have run out"
    SHUT_DOWN = "the worker is shutting down"

    @property
    def silent(self) -> bool:
        """Whether nothing is reported."""
        return self in (Ending.ABANDONED, Ending.UNTRUSTED)


@dataclass(slots=True, kw_only=True)
class TrainingMonitor:
    """What is known of one training."""

    order: TrainOrder
    hang_seconds: float
    stop_seconds: float
    started: float
    step: int = 0
    epochs: int = 0
    progress_at: float = field(init=False)
    epoch_began: float = field(init=False)
    longest_epoch: float = 0.0  # seconds, the present one counted until its last progress
    wanted: Answer | None = None  # the first answer that is not `continue`
    wanted_at: float = 0.0
    ended: Ended | None = None
    died: bool = False
    out_of_memory: bool = False  # why it died

    def __post_init__(self) -> None:
        self.progress_at = self.epoch_began = self.started

    @property
    def patience(self) -> float:
        """Seconds without progress that are no hang: evaluations are as long as data are many."""
        return max(self.hang_seconds, self.longest_epoch)

    def see(self, notice: Notice, now: float) -> None:
        """Take in one event, answer or death."""
        match notice:
            case Progress(step=step) if step > self.step:
                self.step = step
                self._progress(now)
            case EpochEnded():
                self.epochs += 1
                self._progress(now)
                self.epoch_began = now
            case Ended():
                self.ended = notice
            case Died():
                self.died = True
            case Answer():
                self._want(notice, now)

    def overdue(self, now: float) -> None:
        """Want a stop where the training is past its own time limit."""
        limit = self.order.hyperparameters.max_seconds
        if limit is not None and now > self.started + limit + self.hang_seconds:
            self._want(Answer(action=Action.STOP, reason=f"past its limit of {limit:g} s"), now)

    def ending(self, now: float, *, trusted: bool) -> Ending | None:
        """Why the training is at its end; None while it may go on."""
        abandoned = self.wanted is not None and self.wanted.action is Action.ABANDON
        if self.ended is not None:
            return Ending.ABANDONED if abandoned else Ending.ENDED
        if self.died:
            return Ending.ABANDONED if abandoned else Ending.DIED
        if abandoned:
            return Ending.ABANDONED if now > self.wanted_at + _ABANDON_SECONDS else None
        if not trusted:
            return Ending.UNTRUSTED
        if self.wanted is not None:
            return Ending.UNSTOPPABLE if now > self.wanted_at + self.stop_seconds else None
        return Ending.HUNG if now > self.progress_at + self.patience else None

    def result(self, ending: Ending, now: float, exit_summary: str) -> TrialResult | None:
        """What is reported of the training; None where nothing is."""
        if ending.silent:
            return None
        if ending is Ending.ENDED and self.ended is not None and self.ended.status in _ENDINGS:
            fields = self.ended.model_dump(exclude={"event"})
            fields["precision"] = self.ended.precision[:_LONGEST_PRECISION]
        else:
            fields = {"epochs": self.epochs, "seconds": now - self.started} | self._verdict(
                ending, exit_summary
            )
        fields["reason"] = fields["reason"][:_LONGEST_REASON]
        return TrialResult(attempt=self.order.attempt, token=self.order.token, **fields)

    def _progress(self, now: float) -> None:
        self.progress_at = now
        self.longest_epoch = max(self.longest_epoch, now - self.epoch_began)

    def _want(self, answer: Answer, now: float) -> None:
        """Keep the first wish; only an order to abandon replaces an order to stop."""
        if self.wanted is None or (self.wanted.action, answer.action) == (
            Action.STOP,
            Action.ABANDON,
        ):
            self.wanted, self.wanted_at = answer, now

    def _verdict(self, ending: Ending, exit_summary: str) -> dict[str, object]:
        """The status of a training that did not end by itself."""
        if self.wanted is not None:
            reason = f"{self.wanted.reason or 'stopped'}; killed: {ending.value}"
            return {"status": TrialStatus.STOPPED, "reason": reason, "retry": False}
        details = {
            Ending.DIED: exit_summary,
            Ending.HUNG: f"for {self.patience:.0f} s",
            Ending.ENDED: f"with the status {self.ended and self.ended.status}, which is no ending",
        }.get(ending, "")
        status = TrialStatus.INFEASIBLE if self.out_of_memory else TrialStatus.FAILED
        reason = f"{ending.value} at step {self.step} {details}".rstrip()
        return {"status": status, "reason": reason, "retry": not self.out_of_memory}
