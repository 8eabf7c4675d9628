"""The next action in a search: pure rules over what it may spend and has spent.

The controller reads a `SearchProgress` from the database, calls `decide` and carries out its
decision in statements that take effect only while the progress is unchanged. A budget is never
exceeded because it is reserved in advance: trials count when they are made, epochs for all
attempts together.
"""

from dataclasses import dataclass

from core.protocol.states import LIVE_TRIAL, SearchStatus, TrialStatus

#: Seconds before the deadline from which on no trial is started: the start takes as long.
LEAST_SECONDS = 2.0

#: A search fails after this many failed trials in a row: the next one would fail, too.
FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is: its limits, and what its trials (those of kind search) have used."""

    status: SearchStatus
    parallelism: int
    trial_limit: int | None
    epoch_limit: int | None
    trials_deadline: float | None  # seconds after the start when its last trial must have ended
    elapsed: float  # seconds since the start; 0 before it
    created: int  # trials made so far, ended ones included
    waiting: int
    running: int
    epochs_taken: int  # spent by ended trials, reserved by live ones
    failures: int  # trials that failed or were lost since the last one that did not
    failure: str  # why the last of them did
    final: TrialStatus | None  # of the final fit; None while there is none
    final_reason: str
    final_tested: bool  # the final fit has its test metrics
    has_best: bool  # some trial has a value

    @property
    def is_late(self) -> bool:
        """Whether the last trial should have ended by now."""
        return self.trials_deadline is not None and self.elapsed >= self.trials_deadline

    @property
    def epochs_left(self) -> int | None:
        """Epochs that new trials may still reserve; None without a limit."""
        return None if self.epoch_limit is None else max(0, self.epoch_limit - self.epochs_taken)


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until something changes."""


@dataclass(frozen=True, slots=True)
class Suggest:
    """Make more trials."""

    count: int


@dataclass(frozen=True, slots=True)
class StopWaiting:
    """Stop the waiting trials: the deadline has passed."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Make no more trials: the budget is spent. The final fit follows the running trials."""


@dataclass(frozen=True, slots=True)
class FitBest:
    """Make the final fit of the best trial's architecture."""


@dataclass(frozen=True, slots=True)
class Complete:
    """End the search: its final fit has ended well."""


@dataclass(frozen=True, slots=True)
class Fail:
    """End the search as failed."""

    reason: str


Decision = Wait | Suggest | StopWaiting | Finish | FitBest | Complete | Fail


def decide(search: SearchProgress) -> Decision:
    """The next action in a search with this progress."""
    if search.status in {SearchStatus.PENDING, SearchStatus.RUNNING}:
        return _go_on(search)
    if search.status is SearchStatus.FINISHING:
        return _finish(search)
    return Wait()


def _go_on(search: SearchProgress) -> Decision:
    if search.failures >= FAILURES_IN_A_ROW:
        return Fail(f"{search.failures} trials failed in a row: {search.failure}")
    if is_spent(search):
        return Finish()
    count = free_slots(search)
    return Suggest(count) if count > 0 else Wait()


def _finish(search: SearchProgress) -> Decision:
    if search.is_late and search.waiting > 0:
        return StopWaiting()
    if search.waiting + search.running > 0:
        return Wait()
    if search.final is None:
        return FitBest() if search.has_best else Fail(_nothing_learned(search))
    if search.final in LIVE_TRIAL:
        return Wait()
    if search.final is TrialStatus.COMPLETED or search.final_tested:
        return Complete()
    return Fail(f"the final fit is {search.final}: {search.final_reason or 'no reason given'}")


def is_spent(search: SearchProgress) -> bool:
    """Whether the budget leaves no room for another trial."""
    deadline = search.trials_deadline
    return (
        (deadline is not None and search.elapsed > deadline - LEAST_SECONDS)
        or (search.trial_limit is not None and search.created >= search.trial_limit)
        or search.epochs_left == 0
    )


def free_slots(search: SearchProgress) -> int:
    """How many trials may be made now, within parallelism and budget."""
    free = search.parallelism - search.waiting - search.running
    if search.trial_limit is not None:
        free = min(free, search.trial_limit - search.created)
    if search.epochs_left is not None:
        free = min(free, search.epochs_left)
    return max(0, free)


def _nothing_learned(search: SearchProgress) -> str:
    made = f"none of {search.created} trials has a value" if search.created else "no trial was made"
    return f"{made}: {search.failure}" if search.failure else made
