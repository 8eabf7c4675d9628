"""What has happened in a search, from the times that its rows keep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.schemas import SearchOut, TrialOut
from api.store.trials import TrialPoint


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of a search."""

    at: datetime
    event: str  # "created", "suggested", "started", or the status in which something ended
    trial: TrialPoint | TrialOut | None  # None: the event is of the search itself


def entries(search: SearchOut, trials: Sequence[TrialPoint | TrialOut]) -> list[LogEntry]:
    """All events, the latest first."""
    # The clock of an extended search has been set forward: its first trial began before.
    known = [search.started_at, *(trial.started_at for trial in trials)]
    own = _of_search(search, min((at for at in known if at is not None), default=None))
    found = [*own, *(entry for trial in trials for entry in _of_trial(trial))]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _of_search(search: SearchOut, started_at: datetime | None) -> Iterator[LogEntry]:
    yield LogEntry(search.created_at, "created", None)
    if started_at is not None:
        yield LogEntry(started_at, "started", None)
    if search.ended_at is not None:
        yield LogEntry(search.ended_at, search.status.value, None)


def _of_trial(trial: TrialPoint | TrialOut) -> Iterator[LogEntry]:
    if trial.created_at is not None:
        yield LogEntry(trial.created_at, "suggested", trial)
    if trial.started_at is not None:
        yield LogEntry(trial.started_at, "started", trial)
    if trial.ended_at is not None:
        yield LogEntry(trial.ended_at, str(trial.status), trial)
