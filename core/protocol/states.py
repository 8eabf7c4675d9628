"""The states of searches and trials, and the one table of their transitions."""

from core.protocol.explained_enum import ExplainedEnum


class TrialStatus(ExplainedEnum):
    """The status of a trial."""

    WAITING = "waiting", "suggested, or waits for another attempt; its order is sent soon"
    RUNNING = "running", "a worker has its lease"
    COMPLETED = "completed", "has its final observation"
    STOPPED = "stopped", "ended early on purpose; keeps its last observation"
    INFEASIBLE = "infeasible", "cannot be trained here; counts as an observation"
    FAILED = "failed", "attempts used up; says nothing about the architecture"
    LOST = "lost", "attempts used up, the last ones without a report"


class TrialKind(ExplainedEnum):
    """The purpose of a trial."""

    SEARCH = "search", "evaluates a suggestion on the validation split"
    FINAL = "final", "the final fit: train + validation, tested once, exported"
    FORMER = "former", "a final fit that was made before its search was extended"
    EXPORT = "export", "its parent's weights as they are: tested once, exported; never listed"


class SearchStatus(ExplainedEnum):
    """The status of a search."""

    PENDING = "pending", "stored, its first trials not yet suggested"
    RUNNING = "running", "suggests trials, which workers train"
    PAUSED = "paused", "no new leases; running trials finish"
    FINISHING = "finishing", "budget spent: last trials and the final fit"
    COMPLETED = "completed", "its final fit is tested and exported"
    STOPPED = "stopped", "by the user"
    FAILED = "failed", "cannot go on: `reason` says why"


_LIVE = frozenset({TrialStatus.WAITING, TrialStatus.RUNNING})

#: Trial statuses that are not final.
LIVE_TRIAL = _LIVE

#: The statuses a trial may leave to reach each status; the SQL builds its WHERE from this.
#: A result may overtake "running", so every ending may come straight from WAITING.
TRIAL_SOURCES: dict[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.WAITING: _LIVE,
    TrialStatus.RUNNING: frozenset({TrialStatus.WAITING}),
    TrialStatus.COMPLETED: _LIVE,
    TrialStatus.STOPPED: _LIVE,
    TrialStatus.INFEASIBLE: _LIVE,
    TrialStatus.FAILED: _LIVE,
    TrialStatus.LOST: _LIVE,
}

#: Search statuses that are not final.
LIVE_SEARCH = frozenset(
    {SearchStatus.PENDING, SearchStatus.RUNNING, SearchStatus.PAUSED, SearchStatus.FINISHING}
)

#: Search statuses in which trials are leased.
TRAINING_SEARCH = frozenset({SearchStatus.RUNNING, SearchStatus.FINISHING})

#: Ended statuses from which a search runs on when its budget is extended, and in no other way.
EXTENDABLE_SEARCH = frozenset({SearchStatus.COMPLETED, SearchStatus.STOPPED})

#: The statuses a search may leave to reach each status.
SEARCH_SOURCES: dict[SearchStatus, frozenset[SearchStatus]] = {
    SearchStatus.PENDING: frozenset(),
    SearchStatus.RUNNING: frozenset({SearchStatus.PENDING, SearchStatus.PAUSED}),
    SearchStatus.PAUSED: frozenset({SearchStatus.PENDING, SearchStatus.RUNNING}),
    SearchStatus.FINISHING: frozenset({SearchStatus.RUNNING}),
    SearchStatus.COMPLETED: frozenset({SearchStatus.FINISHING}),
    SearchStatus.STOPPED: LIVE_SEARCH,
    SearchStatus.FAILED: LIVE_SEARCH,
}
