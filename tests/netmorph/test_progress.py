"""Following a search until it ends: on a terminal and in a log."""

import io
import re
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from netmorph import progress
from netmorph.commands.options import console
from tests.netmorph.samples import BEST, FINISHED, NEW, SEARCH, SEARCH_ID, answering, lines_of


@pytest.mark.parametrize(
    ("best", "text"),
    [
        (None, "nothing yet"),
        (BEST, "95.68 % ± 1.23 (trial 2)"),
        (BEST | {"value_std": None}, "95.68 % (trial 2)"),
    ],
)
def test_the_best_value_is_shown_with_its_error(best: Any, text: str) -> None:
    assert progress.best_text(SEARCH | {"best": best}) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "seconds", "share", "left"),
    [
        ({}, 60, 0.25, "about 3:00 and the final fit left"),
        ({"epochs": 20}, 60, 0.5, "about 1:00 and the final fit left"),
        ({"trials": None, "epochs": 5}, 60, 1.0, "about 0:00 and the final fit left"),
        ({"trials": None, "seconds": 600}, 150, 0.25, "at most 7:30 left"),
        ({"trials": None, "seconds": 600}, 700, 1.0, "at most 0:00 left"),
        ({"seconds": 600}, 30, 0.25, "at most 9:30 left"),
        ({"trials": None}, 60, 0.0, "time left not yet known"),
    ],
)
def test_the_time_left_follows_from_the_budget(
    budget: dict[str, Any], seconds: float, share: float, left: str
) -> None:
    search: Any = SEARCH | {"budget": SEARCH["budget"] | budget}

    assert progress.share_used(search, seconds) == share
    assert progress.left_text(search, seconds) == left
    assert (
        progress.left_text(search | {"status": "finishing"}, seconds) == "the final fit is running"
    )


def test_a_log_gets_a_line_for_each_change(monkeypatch: pytest.MonkeyPatch, out: Console) -> None:
    monkeypatch.setattr(progress, "_PAUSE", 0)
    started = NEW | {"status": "running"}
    states = [started, started, SEARCH, deepcopy(SEARCH), FINISHED]

    with answering(*states) as client:
        last = progress.follow(client, NEW, out)  # type: ignore[arg-type]

    assert last == FINISHED
    assert lines_of(out) == [
        "pending: 0 ended, 0 running, 0 with inherited weights; best nothing yet",
        "running: 0 ended, 0 running, 0 with inherited weights; best nothing yet",
        "running: 2 of 8 ended, 1 running, 1 with inherited weights; best 95.68 % ± 1.23 (trial 2)",
        "completed: 8 of 8 ended, 0 running, 1 with inherited weights; "
        "best 95.68 % ± 1.23 (trial 2)",
    ]


@pytest.mark.parametrize("status", ["completed", "stopped", "failed", "paused"])
def test_following_ends_with_the_search_or_its_pause(status: str) -> None:
    with answering() as client:  # without a request
        assert len(list(progress.changes(client, SEARCH | {"status": status}))) == 1  # type: ignore[arg-type]


def test_a_terminal_shows_the_facts_and_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PAUSE", 0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    out = console()
    out.file, out.width = io.StringIO(), 100

    with answering(FINISHED) as client:
        assert progress.follow(client, SEARCH, out) == FINISHED  # type: ignore[arg-type]

    shown = [
        " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).split()) for line in lines_of(out)
    ]
    for fact in (
        "budget ━━━━━━━━━━━━╸",
        "search a [bold]search :cat: (running)",
        "trials 2 of 8 ended, 1 running, 1 with inherited weights",
        "best so far 95.68 % ± 1.23 (trial 2)",
        "time 1:0",  # the clock runs between two answers
        f"dashboard http://127.0.0.1:1/searches/{SEARCH_ID}",
    ):
        assert any(line.startswith(fact) for line in shown), fact
