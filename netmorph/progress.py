"""Follows a search until it ends: live lines for people, sparse ones for logs."""

import time
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netmorph.answers import ENDED, Search
from netmorph.client import Client
from netmorph.lineage import percent

_CALM = 0.2  # seconds between two questions at least


def follow(client: Client, search: Search, out: Console) -> Search:
    """Show how the search goes; the search when it has ended, or is paused by somebody."""
    if out.is_terminal:
        return _follow_live(client, search, out)
    told = ""
    for now in changes(client, search):
        search = now
        if (line := _line(search)) != told:
            out.print(line, soft_wrap=True)
            told = line
    return search


def changes(client: Client, search: Search) -> Iterator[Search]:
    """The search now and after each change, until it has ended or is paused."""
    yield search
    while search["status"] not in ENDED and search["status"] != "paused":
        time.sleep(_CALM)
        search = client.changed_search(search)
        yield search


def _follow_live(client: Client, search: Search, out: Console) -> Search:
    view = _View(search, client.url)
    with Live(view, console=out, refresh_per_second=2, transient=True):
        for now in changes(client, search):
            search = now
            view.show(search)
    return search


class _View:
    """What is drawn twice a second: the search as last heard of, the time as it goes on."""

    def __init__(self, search: Search, url: str) -> None:
        self._url = url
        self.show(search)

    def show(self, search: Search) -> None:
        self._search, self._heard = search, time.monotonic()

    def __rich__(self) -> RenderableType:
        search = self._search
        seconds = search["used"]["seconds"] + time.monotonic() - self._heard
        bar = ProgressBar(total=1.0, completed=share_used(search, seconds), width=50)
        facts = Table.grid(padding=(0, 2))
        facts.add_row(Text("budget", style="dim"), bar)
        for name, value in _facts(search, seconds):
            facts.add_row(Text(name, style="dim"), value)
        facts.add_row(Text("dashboard", style="dim"), f"{self._url}/searches/{search['id']}")
        return facts


def _facts(search: Search, seconds: float) -> list[tuple[str, str]]:
    """What to tell of a running search, as names and values."""
    counts = search["trial_counts"]
    budget = search["budget"].get("trials")
    of = f" of {budget}" if budget else ""
    ended = f"{search['used']['trials']}{of} ended, {counts.get('running', 0)} running"
    return [
        ("search", f"{search['name']} ({search['status']})"),
        ("trials", f"{ended}, {search['trials_inherited']} with inherited weights"),
        ("best so far", best_text(search)),
        ("time", f"{clock(seconds)} gone, {left_text(search, seconds)}"),
    ]


def best_text(search: Search) -> str:
    """The best validation value, with its standard error."""
    best = search["best"]
    if best is None:
        return "nothing yet"
    error = f" ± {100 * best['value_std']:.2f}" if best["value_std"] is not None else ""
    return f"{percent(best['value'])}{error} (trial {best['number']})"


def share_used(search: Search, seconds: float) -> float:
    """The part of the budget that is used up, between 0 and 1."""
    budget, used = search["budget"], search["used"]
    parts = [
        spent / given
        for spent, given in (
            (used["trials"], budget.get("trials")),
            (used["epochs"], budget.get("epochs")),
            (seconds, budget.get("seconds")),
        )
        if given
    ]
    return min(1.0, max(parts, default=0.0))


def left_text(search: Search, seconds: float) -> str:
    """How long the search will still take, as far as that can be told."""
    if search["status"] == "finishing":
        return "the final fit runs"
    if (limit := search["budget"].get("seconds")) is not None:
        return f"at most {clock(max(0.0, limit - seconds))} left"
    share = share_used(search, seconds)
    if share == 0.0:
        return "time left not known yet"
    return f"about {clock(seconds * (1 - share) / share)} and the final fit left"


def clock(seconds: float) -> str:
    """A span of time as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _line(search: Search) -> str:
    """One line for a log: it changes when a trial ends, the best improves or the status moves."""
    facts = _facts(search, search["used"]["seconds"])
    ended = facts[1][1]
    return f"{search['status']}: {ended}; best {best_text(search)}"
