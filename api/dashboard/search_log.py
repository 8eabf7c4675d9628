"""What has happened in a search, from the times that its rows keep."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.schemas.exports import TrialExportOut
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import TrialPoint


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of a search."""

    at: datetime
    #: "created", "suggested", "ordered", "started", or the status in which something ended
    event: str
    trial: TrialPoint | TrialOut | None = None
    export: TrialExportOut | None = None  # without it and a trial, the event is of the search


def entries(
    search: SearchOut,
    trials: Sequence[TrialPoint | TrialOut],
    exports: Iterable[TrialExportOut] = (),
) -> list[LogEntry]:
    """All events of a search, its trials and their exports, the latest first."""
    # The clock of an extended search has been set forward: its first trial began before.
    known = [search.started_at, *(trial.started_at for trial in trials)]
    own = _of_search(search, min((at for at in known if at is not None), default=None))
    found = [*own, *(entry for trial in trials for entry in _of_trial(trial))]
    found += [entry for export in exports for entry in _of_export(export)]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _of_search(search: SearchOut, started_at: datetime | None) -> Iterator[LogEntry]:
    yield LogEntry(search.created_at, "created")
    if started_at is not None:
        yield LogEntry(started_at, "started")
    if search.ended_at is not None:
        yield LogEntry(search.ended_at, search.status.value)


def _of_trial(trial: TrialPoint | TrialOut) -> Iterator[LogEntry]:
    if trial.created_at is not None:
        yield LogEntry(trial.created_at, "suggested", trial)
    if trial.started_at is not None:
        yield LogEntry(trial.started_at, "started", trial)
    if trial.ended_at is not None:
        yield LogEntry(trial.ended_at, str(trial.status), trial)


def _of_export(export: TrialExportOut) -> Iterator[LogEntry]:
    yield LogEntry(export.created_at, "ordered", export=export)
    if export.started_at is not None:
        yield LogEntry(export.started_at, "started", export=export)
    if export.ended_at is not None:
        yield LogEntry(export.ended_at, export.status.value, export=export)
