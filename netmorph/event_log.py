"""The log of a search as text: what happened to it and to its trials, in the order of time."""

from collections.abc import Iterable, Iterator
from typing import TypedDict

from netmorph.answers import Epoch, Search, Trial, TrialExport
from netmorph.formatting import clock, metric
from netmorph.lineage import beginning, belief, steps


class Event(TypedDict):
    """One line of a log."""

    at: str  # ISO 8601
    trial: int | None  # its number
    text: str


def of_search(
    search: Search, trials: Iterable[Trial], exports: Iterable[TrialExport] = ()
) -> list[Event]:
    """What happened to a search, its trials and their exports, the earliest first."""
    trials = list(trials)
    events = [event for trial in trials for event in of_trial(trial, search)]
    events += [event for export in exports for event in of_export(export, search)]
    # The clock of an extended search has been set forward: its first trial began before.
    starts = [one["started_at"] for one in (search, *trials) if one["started_at"] is not None]
    own = [
        (search["created_at"], f"created: {search['strategy']} on {search['dataset']['name']}"),
        (min(starts, default=None), "started"),
        (search["ended_at"], _with_reason(search["status"], search["reason"])),
    ]
    events += [Event(at=at, trial=None, text=text) for at, text in own if at is not None]
    return sorted(events, key=lambda event: event["at"])


def of_trial(trial: Trial, search: Search) -> Iterator[Event]:
    """What happened to a trial of the search: it was made, started for the last time, and ended."""
    number, in_percent = trial["number"], search.get("in_percent", True)
    kind = {"final": "final fit", "former": "earlier final fit"}.get(trial["kind"])
    made = kind or steps(trial, ", then ") or beginning(search)
    expected = f"; expected {text}" if (text := belief(trial, in_percent)) else ""
    yield Event(at=trial["created_at"], trial=number, text=f"made: {made}{expected}")
    if trial["started_at"] is not None:
        attempt = f", attempt {trial['attempt']}" if trial["attempt"] > 1 else ""
        text = _with_reason(f"started on {trial['worker']}{attempt}", trial["remark"])
        yield Event(at=trial["started_at"], trial=number, text=text)
    if trial["ended_at"] is not None:
        yield Event(at=trial["ended_at"], trial=number, text=_end(trial, in_percent))


def of_export(export: TrialExport, search: Search) -> Iterator[Event]:
    """What happened to the export of a trial: it was ordered, started for the last time, ended."""
    number, tested = export["number"], export["test_metric"]
    yield Event(at=export["created_at"], trial=number, text="export ordered")
    if export["started_at"] is not None:
        attempt = f", attempt {export['attempt']}" if export["attempt"] > 1 else ""
        yield Event(at=export["started_at"], trial=number, text=f"export started{attempt}")
    if export["ended_at"] is not None:
        in_percent = search.get("in_percent", True)
        test = "" if tested is None else f" with {metric(tested, in_percent)} on the test split"
        text = _with_reason(f"export {export['status']}{test}", export["reason"])
        yield Event(at=export["ended_at"], trial=number, text=text)


def _end(trial: Trial, in_percent: bool) -> str:
    value = "" if trial["value"] is None else f" with {metric(trial['value'], in_percent)}"
    seconds = trial["seconds"]
    trained = "" if seconds is None else f" after {trial['epochs']} epochs, {clock(seconds)}"
    return _with_reason(f"{trial['status']}{value}{trained}", trial["reason"])


def _with_reason(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text


def line(event: Event) -> str:
    """An event as one line of text."""
    time = event["at"][:19].replace("T", " ")
    who = "" if event["trial"] is None else f"trial {event['trial']} "
    return f"{time}  {who}{' '.join(event['text'].split())}"


def epoch_line(epoch: Epoch, in_percent: bool = True) -> str:
    """The metrics of an epoch as one line of text."""
    numbers = (("train loss", "train_loss"), ("validation loss", "validation_loss"))
    losses = [f"{words} {epoch[name]:.4g}" for words, name in numbers if epoch[name] is not None]  # type: ignore[literal-required]
    validation = metric(epoch["validation_metric"], in_percent)
    attempt = f"attempt {epoch['attempt']} epoch {epoch['epoch']}"
    return "  " + "  ".join([attempt, clock(epoch["seconds"]), validation, *losses])
