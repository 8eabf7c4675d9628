"""How values look on pages."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy.exc import TimeoutError

from api.dashboard import rendering
from api.dashboard.rendering import errors_as_pages, size, spread, task_words
from api.edge import errors
from api.edge.headers import CONTENT_SECURITY_POLICY
from api.schemas.searches import SearchOut
from api.store import searches
from core.protocol.states import SearchStatus
from core.tasks import TASKS

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [(None, None, "–"), (0.5, None, "50.00 %"), (0.98421, 0.00312, "98.42 % ± 0.31")],
)
def test_a_metric_is_written_as_its_task_type_says(value, std, text) -> None:
    assert rendering.metric(value, SearchOut.model_construct(in_percent=True), std) == text


@pytest.mark.parametrize(("percent", "text"), [(True, "± 1.23"), (False, "± 0.012")])
def test_a_standard_error_has_the_unit_of_its_metric(percent, text, visitor, world) -> None:
    with world.sessions.begin() as session:
        search = searches.get(session, visitor.caller, world.search(visitor.caller))
    search = search.model_copy(update={"in_percent": percent})
    assert spread(0.0123, search) == text
    assert spread(None, search) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.86, "-1.4 σ"), (1.0, "+0.0 σ"), (0.999, "+0.0 σ"), (1.5, "+5.0 σ"),
     (-9.0, "below by over 10 σ"), (9.0, "above by over 10 σ")],
)  # fmt: skip
def test_a_value_far_from_its_prediction_is_only_far(value, text) -> None:
    assert rendering.deviation(value, 1.0, 0.1) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_has_two_units(seconds, text) -> None:
    assert rendering.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.000214, "0.214 ms"), (0.00125, "1.25 ms"), (2.0, "2,000 ms")],
)
def test_a_latency_has_three_digits(seconds, text) -> None:
    assert rendering.milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-5, "just now"),
        (0.9, "just now"),
        (2.9, "2 s ago"),
        (90, "1 min ago"),
        (3 * 3600, "3 h ago"),
        (86_400, "1 day ago"),
        (200_000, "2 days ago"),
    ],
)
def test_a_moment_is_shown_by_its_distance(passed, text) -> None:
    assert rendering.ago(NOW - timedelta(seconds=passed), NOW) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 KiB"), (90_000, "88 KiB"), (1_048_576, "1 MiB"), (3_565_158, "3.4 MiB"),
        (536_870_912, "512 MiB"), (5 * 2**30, "5 GiB"),
    ],
)  # fmt: skip
def test_the_size_of_a_file_has_a_unit_that_fits(count, text) -> None:
    assert size(count) == text


def test_a_message_is_shown_as_a_sentence_with_its_commands_as_code() -> None:
    shown = rendering.sentences("there is no search <x>: `netmorph ls` lists them")
    assert shown == "There is no search &lt;x&gt;: <code>netmorph ls</code> lists them."
    assert rendering.sentences("Sign in again.") == "Sign in again."


def test_a_task_is_named_for_what_it_does() -> None:
    assert [task_words(kind) for kind in sorted(TASKS)] == [
        "classification", "multi label", "regression",
    ]  # fmt: skip


def test_the_buttons_are_those_that_the_status_allows(visitor, world) -> None:
    search_id = world.search(visitor.caller)
    expected: dict[SearchStatus, list[str]] = {
        SearchStatus.PENDING: ["pause", "stop"],
        SearchStatus.RUNNING: ["pause", "stop"],
        SearchStatus.PAUSED: ["resume", "stop"],
        SearchStatus.FINISHING: ["stop"],
    }
    search = shown(world, visitor, search_id)
    for status in SearchStatus:
        buttons = rendering.actions(search.model_copy(update={"status": status}))
        assert [action for action, _ in buttons] == expected.get(status, ["delete"])
    world.trial(search_id, status="completed", value=0.5)
    best = shown(world, visitor, search_id)
    assert [action for action, _ in rendering.actions(best)] == ["pause", "finish", "stop"]


def test_each_limit_of_the_budget_has_its_progress(visitor, world) -> None:
    search = shown(world, visitor, world.search(visitor.caller))
    budget = search.budget.model_copy(update={"trials": 8, "epochs": 90, "seconds": 600.0})
    used = search.used.model_copy(update={"trials": 3, "epochs": 40, "seconds": 700.0})
    rows = rendering.progress(search.model_copy(update={"budget": budget, "used": used}))
    assert rows == [
        ("trials", 3, 8, "3 of 8"),
        ("epochs", 40, 90, "40 of 90"),
        ("time", 600.0, 600.0, "11 min 40 s of 10 min"),
    ]


def shown(world: Any, visitor: Any, search_id: Any) -> Any:
    """The search as its owner sees it."""
    with world.sessions.begin() as session:
        return searches.get(session, visitor.caller, search_id)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(28, "No space left on device"), 503, "Storage does not work at the moment"),
        (TimeoutError(), 503, "The database does not answer at the moment"),
        (HTTPException(429, "wait <a> little"), 429, "Wait &lt;a&gt; little"),
        (RuntimeError("no detail"), 500, "Internal error: the log has the details under request"),
    ],
)
def test_a_browser_sees_any_error_as_a_page_and_a_program_as_a_problem(
    error: Exception, status: int, words: str
) -> None:
    app = FastAPI()
    errors.install(app, errors_as_pages)

    @app.get("/v1/things")
    @app.get("/things")
    def fail() -> None:
        raise error

    with TestClient(app, raise_server_exceptions=False) as client:
        seen = client.get("/things", headers={"Accept": "text/html,*/*;q=0.8"})
        read = client.get("/things")
        rest = client.get("/v1/things", headers={"Accept": "text/html"})
    assert (seen.status_code, read.status_code, rest.status_code) == (status, status, status)
    assert seen.headers["content-type"].startswith("text/html")
    assert words in seen.text
    assert read.headers["content-type"] == rest.headers["content-type"] == errors.MEDIA_TYPE
    assert seen.headers.get("retry-after") == read.headers.get("retry-after")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:  # which no middleware sees
        for answer in (seen, read, rest):
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert answer.headers["cache-control"] == "no-store"
