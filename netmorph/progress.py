"""Follows a search until it ends: a live display on a terminal, a line for each change in a log."""

import time
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netmorph.answers import ENDED, Search
from netmorph.client import Client
from netmorph.formatting import clock, measures, metric, name_before, out_of

_PAUSE = 0.2  # least seconds between two requests for changes


def follow(client: Client, search: Search, out: Console) -> Search:
    """Show the progress of a search; return the search once it has ended or is paused."""
    if out.is_terminal:
        return _follow_live(client, search, out)
    last_line = ""
    for current in changes(client, search):
        search = current
        if (line := _log_line(search)) != last_line:
            left = left_text(search, search["used"]["seconds"])
            out.print("; ".join(filter(None, (line, left))), soft_wrap=True)
            last_line = line
    return search


def changes(client: Client, search: Search) -> Iterator[Search]:
    """The search now and after each change, until it has ended or is paused."""
    yield search
    while search["status"] not in ENDED and search["status"] != "paused":
        time.sleep(_PAUSE)
        search = client.changed_search(search)
        yield search


def _follow_live(client: Client, search: Search, out: Console) -> Search:
    display = _LiveDisplay(search, client.url)
    with Live(display, console=out, refresh_per_second=2, transient=True):
        for current in changes(client, search):
            search = current
            display.update(search)
    return search


class _LiveDisplay:
    """The latest state of a search, drawn twice a second with the time as it passes."""

    def __init__(self, search: Search, url: str) -> None:
        self._url = url
        self.update(search)

    def update(self, search: Search) -> None:
        """Show this state from the next drawing on."""
        self._search, self._received = search, time.monotonic()

    def __rich__(self) -> RenderableType:
        search = self._search
        seconds = search["used"]["seconds"] + time.monotonic() - self._received
        bar = ProgressBar(total=1.0, completed=share_done(search, seconds), width=50)
        facts = Table.grid(padding=(0, 2))
        facts.add_row(Text("progress", style="dim"), bar)
        for label, text in _facts(search, seconds):
            facts.add_row(Text(label, style="dim"), text)
        address = f"{self._url}/searches/{search['id']}"
        facts.add_row(Text("dashboard", style="dim"), Text(address, overflow="fold"))
        return facts


def _facts(search: Search, seconds: float) -> list[tuple[str, str]]:
    """Facts about a running search as pairs of label and text."""
    return [
        ("search", f"{search['name']} ({phase(search)})"),
        ("trials", _trials_text(search)),
        ("best so far", best_text(search)),
        ("time", _time_text(search, seconds)),
    ]


def _time_text(search: Search, seconds: float) -> str:
    return ", ".join(filter(None, (f"{clock(seconds)} elapsed", left_text(search, seconds))))


def phase(search: Search) -> str:
    """What a search is doing, in words: the service calls its last trials finishing, too."""
    if search["status"] != "finishing":
        return search["status"]
    counts = search["trial_counts"]
    has_trials = counts.get("waiting", 0) + counts.get("running", 0) > 0
    return "running its last trials" if has_trials else "final fit"


def _trials_text(search: Search) -> str:
    ended = out_of(search["used"]["trials"], search["budget"].get("trials"))
    running = search["trial_counts"].get("running", 0)
    inherited = search["trials_inherited"]
    return f"{ended} ended, {running} running, {inherited} with inherited weights"


def best_text(search: Search) -> str:
    """The best validation value, with its standard error and further measures."""
    best = search["best"]
    if best is None:
        return "nothing yet"
    in_percent, std = search.get("in_percent", True), best["value_std"]
    error = "" if std is None else f" ± {100 * std:.2f}" if in_percent else f" ± {std:.2g}"
    name = name_before(search["metric"], in_percent)
    more = f"; {found}" if (found := measures(best.get("measures") or {})) else ""
    return f"{name}{metric(best['value'], in_percent)}{error} (trial {best['number']}{more})"


def share_done(search: Search, seconds: float) -> float:
    """The part of its time that a search has run for `seconds` is over, from 0 to 1."""
    left = _left(search, seconds)
    if left is None or seconds + left <= 0:
        return 0.0
    return seconds / (seconds + left)


def left_text(search: Search, seconds: float) -> str:
    """How long the search will still take, its final fit included; empty once it has ended."""
    if search["status"] in ENDED or search["status"] == "paused":
        return ""
    left = _left(search, seconds)
    if left is None:
        return "time left not yet known"
    exact = search["budget"].get("seconds") is not None
    return f"{'at most' if exact else 'about'} {clock(left)} left"


def _left(search: Search, seconds: float) -> float | None:
    """The estimate of the service, less the time since; older services give none."""
    estimate = search.get("seconds_left")
    if estimate is None:
        return None
    return max(0.0, estimate - (seconds - search["used"]["seconds"]))


def _log_line(search: Search) -> str:
    """One line for a log; it changes with the status, the trials and the best value."""
    return f"{phase(search)}: {_trials_text(search)}; best {best_text(search)}"
