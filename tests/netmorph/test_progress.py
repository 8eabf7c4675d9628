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
    ("facts", "seconds", "share", "left"),
    [
        ({}, 60.04, 0.25, "about 3:00 left"),
        ({}, 120.04, 0.5, "about 2:00 left"),
        ({"status": "finishing"}, 240.04, 1.0, "about 0:00 left"),
        ({}, 999, 1.0, "about 0:00 left"),
        ({"budget": {"seconds": 240.04}}, 60.04, 0.25, "at most 3:00 left"),
        ({"seconds_left": None}, 60.04, 0.0, "time left not yet known"),
        ({"status": "paused"}, 60.04, 0.25, ""),
        ({"status": "completed", "seconds_left": None}, 60.04, 0.0, ""),
    ],
)
def test_the_time_left_is_that_of_the_service_less_the_time_since(
    facts: dict[str, Any], seconds: float, share: float, left: str
) -> None:
    search: Any = SEARCH | facts

    assert progress.share_done(search, seconds) == pytest.approx(share, abs=1e-3)
    assert progress.left_text(search, seconds) == left


@pytest.mark.parametrize(
    ("status", "counts", "words"),
    [
        ("running", {"running": 1}, "running"),
        ("finishing", {"completed": 4, "running": 1}, "running its last trials"),
        ("finishing", {"completed": 4, "waiting": 1}, "running its last trials"),
        ("finishing", {"completed": 5}, "final fit"),
        ("completed", {"completed": 5}, "completed"),
    ],
)
def test_a_search_is_in_its_final_fit_once_its_trials_have_ended(
    status: str, counts: dict[str, int], words: str
) -> None:
    search: Any = SEARCH | {"status": status, "trial_counts": counts}

    assert progress.phase(search) == words


def test_a_log_gets_a_line_for_each_change(monkeypatch: pytest.MonkeyPatch, out: Console) -> None:
    monkeypatch.setattr(progress, "_PAUSE", 0)
    started = NEW | {"status": "running"}
    states = [started, started, SEARCH, deepcopy(SEARCH), FINISHED]

    with answering(*states) as client:
        last = progress.follow(client, NEW, out)  # type: ignore[arg-type]

    assert last == FINISHED
    assert lines_of(out) == [
        "pending: 0 ended, 0 running, 0 with inherited weights; best nothing yet; "
        "time left not yet known",
        "running: 0 ended, 0 running, 0 with inherited weights; best nothing yet; "
        "time left not yet known",
        "running: 2 of 8 ended, 1 running, 1 with inherited weights; "
        "best 95.68 % ± 1.23 (trial 2); about 3:00 left",
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
    out.file, out.width = io.StringIO(), 80

    with answering(FINISHED) as client:
        assert progress.follow(client, SEARCH, out) == FINISHED  # type: ignore[arg-type]

    shown = [
        " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).split()) for line in lines_of(out)
    ]
    for fact in (
        "progress ━━━━━━━━━━━━",
        "search a [bold]search :cat: (running)",
        "trials 2 of 8 ended, 1 running, 1 with inherited weights",
        "best so far 95.68 % ± 1.23 (trial 2)",
        "time 1:0",  # the clock runs between two answers
        "dashboard http://127.0.0.1:1/searches/",
    ):
        assert any(line.startswith(fact) for line in shown), fact
    joined = "".join(shown).replace("dashboard ", "")  # the address is folded, never cut
    assert f"http://127.0.0.1:1/searches/{SEARCH_ID}" in joined
