"""What the command line says of searches and trials, from fixed answers of a service."""

import io
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from rich.table import Table

from netmorph import lineage, progress, report, tables
from netmorph.client import Client
from netmorph.commands.options import console

SEARCH_ID = "0c0ffee0-0000-4000-8000-000000000001"

ROOT: dict[str, Any] = {
    "id": "t0",
    "search_id": SEARCH_ID,
    "number": 0,
    "kind": "search",
    "status": "completed",
    "attempt": 1,
    "reason": "",
    "parent_id": None,
    "parent_number": None,
    "morphisms": [],
    "inherited": False,
    "parameters": 1234,
    "value": 0.9,
    "value_std": 0.01,
    "epochs": 5,
    "seconds": 61.4,
    "latency": 0.000214,
}
WIDER = ROOT | {
    "id": "t2",
    "number": 2,
    "parent_id": "t0",
    "parent_number": 0,
    "morphisms": [
        {"kind": "widen", "text": "widen convolution 1 from 8 to 16 filters", "data": {}},
        {"kind": "add_skip", "text": "add a skip from 3 to 7", "data": {}},
    ],
    "inherited": True,
    "parameters": 2_345_678,
    "value": 0.95678,
    "seconds": None,
    "latency": None,
}
RUNNING = WIDER | {"id": "t3", "number": 3, "status": "running", "value": None, "epochs": 0}
FINAL = WIDER | {
    "id": "t4", "number": 4, "kind": "final", "parent_id": "t2", "parent_number": 2,
    "morphisms": [], "value": None, "seconds": 7322.0,
}  # fmt: skip
LONGER = WIDER | {
    "id": "t5", "number": 5, "parent_id": "t2", "parent_number": 2, "morphisms": [],
    "precision": "bf16 channels-last",
}  # fmt: skip
COMPARED = {
    "examples": 250, "before": 0.905, "after": 0.912, "exported": "final", "reason": "",
    "text": "the final network has 0.9120 on 250 held-out examples",
}  # fmt: skip
TRIALS = [FINAL, RUNNING, WIDER, ROOT]  # the newest first, as the service lists them

BEST = {"trial_id": "t2", "number": 2, "value": 0.95678, "value_std": 0.0123, "parameters": 7}
SEARCH: dict[str, Any] = {
    "id": SEARCH_ID,
    "name": "a [bold]search :cat:",
    "dataset": {"id": "d", "name": "digits"},
    "task": "image-classification",
    "strategy": "bayesian",
    "metric": "accuracy",
    "status": "running",
    "reason": "",
    "budget": {"trials": 8, "epochs": None, "seconds": None},
    "parallelism": 2,
    "seed": 7,
    "version": 1,
    "used": {"trials": 2, "epochs": 10, "seconds": 60.04},
    "trial_counts": {"completed": 2, "running": 1},
    "trials_inherited": 1,
    "best": BEST,
    "final": None,
}
FINISHED = SEARCH | {
    "status": "completed",
    "used": {"trials": 8, "epochs": 40, "seconds": 3725.26},
    "trial_counts": {"completed": 8},
    "final": {
        "trial_id": "t4", "of_number": 2, "test_metric": 0.97, "test_loss": 0.1,
        "test_examples": 360, "parameters": 2_345_678, "export_bytes": 10,
    },
}  # fmt: skip
COMPLETE = FINISHED | {  # of a service that says how the winner was computed
    "compute_in_winner": 0.3687,
    "final": FINISHED["final"] | {"precision": "bf16", "comparison": COMPARED},
}
NEW = SEARCH | {
    "status": "pending",
    "budget": {"trials": None, "epochs": None, "seconds": 600.0},
    "used": {"trials": 0, "epochs": 0, "seconds": 0.0},
    "trial_counts": {},
    "trials_inherited": 0,
    "best": None,
}


POINT = {"trial_id": "t0", "number": 0, "value": 0.9, "parameters": 1234, "latency": 0.000214}
FRONT = {
    "metric": "accuracy",
    "cost": "latency",
    "items": [
        POINT | {"flops": 9000},
        POINT | {"number": 2, "value": 0.95, "flops": 8000, "latency": 0.0015},
    ],
}


def answering(*searches: dict[str, Any]) -> Client:
    """A client whose service shows the search as these, one after the other, and TRIALS."""
    queue = list(searches)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/trials"):
            return httpx.Response(200, json={"items": TRIALS, "next_cursor": None})
        return httpx.Response(200, json=queue.pop(0))

    return Client("http://127.0.0.1:1", "netmorph_x", transport=httpx.MockTransport(answer))


@pytest.fixture
def out() -> Console:
    """The console of the commands, on narrow paper."""
    made = console()
    made.file, made.width = io.StringIO(), 40
    return made


def lines_of(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (600, "10:00"), (3599.9, "1:00:00"),
     (90_061, "25:01:01")],
)  # fmt: skip
def test_a_clock(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0.00 %"), (0.98765, "98.77 %"), (1.0, "100.00 %")]
)
def test_a_share_in_percent(value: float | None, text: str) -> None:
    assert lineage.percent(value) == text


@pytest.mark.parametrize(
    ("best", "text"),
    [
        (None, "nothing yet"),
        (BEST, "95.68 % ± 1.23 (trial 2)"),
        (BEST | {"value_std": None}, "95.68 % (trial 2)"),
    ],
)
def test_the_best_so_far(best: Any, text: str) -> None:
    assert progress.best_text(SEARCH | {"best": best}) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.000214, "0.214 ms"),
        (0.01234, "12.3 ms"),
        (0.9996, "1,000 ms"),
        (2, "2,000 ms"),
    ],
)
def test_a_latency(seconds: float | None, text: str) -> None:
    assert lineage.milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("budget", "seconds", "share", "left"),
    [
        ({}, 60, 0.25, "about 3:00 and the final fit left"),
        ({"epochs": 20}, 60, 0.5, "about 1:00 and the final fit left"),
        ({"trials": None, "epochs": 5}, 60, 1.0, "about 0:00 and the final fit left"),
        ({"trials": None, "seconds": 600}, 150, 0.25, "at most 7:30 left"),
        ({"trials": None, "seconds": 600}, 700, 1.0, "at most 0:00 left"),
        ({"seconds": 600}, 30, 0.25, "at most 9:30 left"),
        ({"trials": None}, 60, 0.0, "time left not known yet"),
    ],
)
def test_what_is_left(budget: dict[str, Any], seconds: float, share: float, left: str) -> None:
    search: Any = SEARCH | {"budget": SEARCH["budget"] | budget}

    assert progress.share_used(search, seconds) == share
    assert progress.left_text(search, seconds) == left
    assert progress.left_text(search | {"status": "finishing"}, seconds) == "the final fit runs"


# --- lineage ----------------------------------------------------------------------------------


def test_a_lineage_begins_at_the_root() -> None:
    line = lineage.ancestry(TRIALS, 4)  # type: ignore[arg-type]

    assert lineage.in_words(line) == [
        "trial 0: a starting architecture (90.00 %)",
        "trial 2: widen convolution 1 from 8 to 16 filters, then add a skip from 3 to 7 (95.68 %)",
        "trial 4: continues trial 2",
    ]


def test_a_lineage_without_its_end_or_its_start() -> None:
    assert lineage.ancestry(TRIALS, 99) == []  # type: ignore[arg-type]
    assert lineage.ancestry([WIDER], 2) == [WIDER]  # type: ignore[list-item]


def test_the_winner_is_what_was_fitted_else_the_best() -> None:
    final = FINISHED["final"] | {"of_number": 5}
    assert lineage.winner(FINISHED | {"final": final}) == 5  # type: ignore[arg-type]
    assert lineage.winner(SEARCH) == 2  # type: ignore[arg-type]
    assert lineage.winner(NEW) is None  # type: ignore[arg-type]


# --- following --------------------------------------------------------------------------------


def test_a_log_gets_a_line_when_something_changed(
    monkeypatch: pytest.MonkeyPatch, out: Console
) -> None:
    monkeypatch.setattr(progress, "_CALM", 0)
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
    with answering() as client:  # nothing is asked
        assert len(list(progress.changes(client, SEARCH | {"status": status}))) == 1  # type: ignore[arg-type]


def test_people_see_the_facts_and_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_CALM", 0)
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
        "time 1:0",  # goes on by itself
        f"dashboard http://127.0.0.1:1/searches/{SEARCH_ID}",
    ):
        assert any(line.startswith(fact) for line in shown), fact


# --- the report at the end --------------------------------------------------------------------


def test_the_report_of_a_finished_search(out: Console) -> None:
    with answering() as client:
        result = report.summary(client, FINISHED, Path("exports/x"))  # type: ignore[arg-type]

    assert result == {
        "search_id": SEARCH_ID,
        "name": "a [bold]search :cat:",
        "status": "completed",
        "reason": "",
        "trials_completed": 8,
        "trials_inherited": 1,
        "best_validation": 0.95678,
        "test_accuracy": 0.97,
        "test_examples": 360,
        "parameters": 2_345_678,
        "ensemble": None,
        "comparison": None,
        "precision": None,
        "compute_in_winner": None,
        "seconds": 3725.3,
        "winner": 2,
        "lineage": [
            "trial 0: a starting architecture (90.00 %)",
            "trial 2: widen convolution 1 from 8 to 16 filters, "
            "then add a skip from 3 to 7 (95.68 %)",
        ],
        "export": "exports/x",
    }
    report.print_summary(result, out)
    assert lines_of(out) == [
        "status     completed",
        "trials     8 completed, 1 from a parent",
        "validation 95.68 %",
        "test       97.00 % of 360 examples",
        "time       1:02:05",
        "export     exports/x",
        "how the winner came to be:",
        "  trial 0: a starting architecture (90.00 %)",
        "  trial 2: widen convolution 1 from 8 to 16 filters, "
        "then add a skip from 3 to 7 (95.68 %)",
    ]


def test_the_report_says_how_the_exported_network_was_computed(out: Console) -> None:
    with answering() as client:
        result = report.summary(client, COMPLETE, Path("exports/x"))  # type: ignore[arg-type]

    assert (result["comparison"], result["precision"]) == (COMPARED, "bf16")
    assert result["compute_in_winner"] == 0.3687
    report.print_summary(result, out)
    assert lines_of(out)[3:7] == [
        "test       97.00 % of 360 examples",
        "compared   the final network has 0.9120 on 250 held-out examples",
        "precision  bf16",
        "in winner  37 % of all training seconds",
    ]


def test_the_report_says_that_an_ensemble_is_exported(out: Console) -> None:
    final = COMPLETE["final"] | {"members": [2, 0], "ensemble": "an ensemble of trials 0 and 2"}
    final["latency"] = 0.0015
    with answering() as client:
        result = report.summary(client, COMPLETE | {"final": final}, None)  # type: ignore[arg-type]

    words = "an ensemble of trials 0 and 2: 2,345,678 parameters, 1.5 ms for one example"
    assert result["ensemble"] == words
    report.print_summary(result, out)
    assert lines_of(out)[4] == f"network    {words}"


def test_the_report_of_a_search_that_came_to_nothing(out: Console) -> None:
    stopped: Any = NEW | {"status": "failed", "reason": "no worker [came]"}
    with answering() as client:
        result = report.summary(client, stopped, None)

    assert (result["winner"], result["lineage"], result["export"]) == (None, [], None)
    report.print_summary(result, out)
    assert lines_of(out) == [
        "status     failed (no worker [came])",
        "trials     0 completed, 0 from a parent",
        "validation –",
        "test       –",
        "time       0:00",
        "export     none",
    ]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my search", "my-search"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "search"),
        ("Größe 7", "Gr-e-7"),
        ("日本", "search"),
        ("v1.2_x", "v1.2_x"),
    ],
)
def test_an_export_goes_into_a_plain_folder(name: str, folder: str) -> None:
    named: Any = SEARCH | {"name": name}
    assert report.default_folder(named) == Path("exports") / f"{folder}-0c0ffee0"


# --- tables -----------------------------------------------------------------------------------

DATASET: dict[str, Any] = {
    "id": SEARCH_ID,
    "name": "[red]digits",
    "input_shape": [1, 8, 8],
    "classes": 10,
    "train_examples": 1437,
    "test_examples": 360,
    "bytes": 129_408,
}
KEY: dict[str, Any] = {
    "id": "k1",
    "name": "me",
    "role": "user",
    "prefix": "netmorph_abc",
    "created_at": "2024-05-06T07:08:09.123Z",
    "revoked_at": None,
}


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        (
            tables.searches([FINISHED, NEW]),  # type: ignore[list-item]
            [
                "id name data set status trials best test time",
                "0c0ffee0 a [bold]search :cat: digits completed 8 of 8 95.68 % 97.00 % 1:02:05",
                "0c0ffee0 a [bold]search :cat: digits pending 0 – – 0:00",
            ],
        ),
        (
            tables.trials(TRIALS),  # type: ignore[arg-type]
            [
                "no status value parent morphisms parameters latency epochs time computed in",
                "4 final completed – 2 continues trial 2 2,345,678 – 5 2:02:02 –",
                "3 running – 0 widen convolution 1 from 8 to 16 filters; add a skip from 3 to 7"
                " 2,345,678 – 0 – –",
                "2 completed 95.68 % 0 widen convolution 1 from 8 to 16 filters; add a skip from 3"
                " to 7 2,345,678 – 5 – –",
                "0 completed 90.00 % – – 1,234 0.214 ms 5 1:01 –",
            ],
        ),
        (
            tables.trials([LONGER, FINAL | {"inherited": False, "comparison": COMPARED}]),  # type: ignore[list-item]
            [
                "no status value parent morphisms parameters latency epochs time computed in",
                "5 completed 95.68 % 2 continues trial 2 2,345,678 – 5 – bf16 channels-last",
                "4 final completed – 2 the final network has 0.9120 on 250 held-out examples"
                " 2,345,678 – 5 2:02:02 –",
            ],
        ),
        (
            tables.trials([FINAL | {"ensemble": "an ensemble of trials 0 and 2"}]),  # type: ignore[list-item]
            [
                "no status value parent morphisms parameters latency epochs time computed in",
                "4 final completed – 2 an ensemble of trials 0 and 2 2,345,678 – 5 2:02:02 –",
            ],
        ),
        (
            tables.datasets([DATASET]),  # type: ignore[list-item]
            [
                "id name shape classes train test bytes",
                "0c0ffee0 [red]digits 1 × 8 × 8 10 1,437 360 129,408",
            ],
        ),
        (
            tables.keys([KEY, KEY | {"revoked_at": "2025-01-02T03:04:05Z"}]),  # type: ignore[list-item]
            [
                "id name role begins with made revoked",
                "k1 me user netmorph_abc 2024-05-06T07:08 –",
                "k1 me user netmorph_abc 2024-05-06T07:08 2025-01-02T03:04",
            ],
        ),
        (
            tables.search(SEARCH | {"reason": "why"}, ["one", "two"]),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status running why",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 2 of 8",
                "epochs 10",
                "time 1:00",
                "best 95.68 % ± 1.23 (trial 2)",
                "test –",
                "lineage one",
                "two",
            ],
        ),
        (
            tables.search(COMPLETE, ["one"]),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status completed",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 8 of 8",
                "epochs 40",
                "time 1:02:05",
                "best 95.68 % ± 1.23 (trial 2)",
                "test 97.00 %",
                "compared the final network has 0.9120 on 250 held-out examples",
                "precision bf16",
                "in winner 37 % of all training seconds",
                "lineage one",
            ],
        ),
        (
            tables.search(FINISHED, ["one"], FRONT),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status completed",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 8 of 8",
                "epochs 40",
                "time 1:02:05",
                "best 95.68 % ± 1.23 (trial 2)",
                "test 97.00 %",
                "front 90.00 % with 0.214 ms (trial 0)",
                "95.00 % with 1.5 ms (trial 2)",
                "lineage one",
            ],
        ),
    ],
    ids=[
        "searches", "trials", "trials of other kinds", "an ensemble", "data sets", "keys", "search",
        "search with a comparison", "search with a cost",
    ],
)  # fmt: skip
def test_tables(table: Table, lines: list[str], out: Console) -> None:
    out.width = 200
    out.print(table)
    assert [" ".join(line.split()) for line in lines_of(out)] == lines
