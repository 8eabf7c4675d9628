"""The command export: what it refuses, and what it writes of the trials of a search.

`tests/e2e/test_trial_exports.py` runs it to its end, with a worker.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from netmorph.cli import app
from netmorph.client import Client
from netmorph.commands import exporting
from tests.netmorph.commands.conftest import refused
from tests.netmorph.samples import FRONT, SEARCH, SEARCH_ID

ORDERED: dict[str, Any] = {
    "trial_id": "t0", "search_id": SEARCH_ID, "number": 0, "status": "waiting", "attempt": 1,
    "reason": "no worker is connected", "export_bytes": None, "test_metric": None,
    "ended_at": None,
}  # fmt: skip
MADE = ORDERED | {
    "status": "completed", "reason": "", "test_metric": 0.875, "ended_at": "2026-01-01T00:00:00Z"
}  # fmt: skip
GONE = {"title": "Conflict", "detail": "the weights of trial 2 were given up"}


@pytest.fixture
def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in ("model.json", "preprocess.json"):
            file.writestr(name, "{}")
    return packed.getvalue()


@pytest.fixture
def run(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs the command with a service that has these answers, by method and end of the path."""

    def command(*arguments: object, **changed: httpx.Response) -> Any:
        items = [{"number": number, "id": f"t{number}"} for number in (0, 2)]
        second = FRONT["items"][1] | {"trial_id": "t2"}
        answers = {
            "GET trials": httpx.Response(200, json={"items": items, "next_cursor": None}),
            "GET front": httpx.Response(200, json=FRONT | {"items": [FRONT["items"][0], second]}),
            f"GET {SEARCH_ID}": httpx.Response(200, json=SEARCH),
            "POST t0/export": httpx.Response(202, json=ORDERED),
            "GET t0/export": httpx.Response(200, json=MADE),
            "POST t2/export": httpx.Response(409, json=GONE),
            "GET file": httpx.Response(200, content=archive),
        } | {name.replace("_", " ", 1).replace("_", "/"): one for name, one in changed.items()}

        def answer(request: httpx.Request) -> httpx.Response:
            asked = f"{request.method} {request.url.path}"
            method, path = asked.split(" ", 1)
            for key, one in answers.items():
                verb, end = key.split(" ", 1)
                if verb == method and path.endswith(f"/{end}"):
                    return httpx.Response(one.status_code, content=one.content)
            raise AssertionError(asked)

        client = Client("http://127.0.0.1:1", "key", transport=httpx.MockTransport(answer))
        monkeypatch.setattr(exporting, "connect", lambda *given: client)
        return CliRunner().invoke(app, ["export", SEARCH_ID, *map(str, arguments)])

    return command


def test_a_trial_is_written_to_its_folder_with_the_state_of_its_export_before(
    run, tmp_path: Path
) -> None:
    ended = run("--trial", 0, "--to", tmp_path / "net")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr == "trial 0: its export is waiting: no worker is connected\n"
    said = f"trial 0 with a test accuracy of 87.50 % exported to {tmp_path / 'net'}\n"
    assert ended.stdout == said
    assert (tmp_path / "net" / "model.json").exists()


def test_a_trial_as_json(run, tmp_path: Path) -> None:
    ended = run("--trial", 0, "--to", tmp_path / "net", "--json")
    assert json.loads(ended.stdout) == {
        "search_id": SEARCH_ID, "trial": 0, "export": str(tmp_path / "net"), "test_metric": 0.875
    }  # fmt: skip


def test_the_points_of_a_front_are_written_although_one_is_refused(run, tmp_path: Path) -> None:
    ended = run("--front", "--to", tmp_path, "--json")
    assert ended.exit_code == 1
    assert "the weights of trial 2 were given up" in ended.stderr
    made = json.loads(ended.stdout)
    assert [one["trial"] for one in made["exports"]] == [0]
    (failed,) = made["failed"]
    assert failed["export"] == str(tmp_path / "trial-2")
    assert "were given up" in failed["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["trial-0"]


def test_an_export_that_fails_is_an_error_with_its_reason(run, tmp_path: Path) -> None:
    failed = MADE | {"status": "failed", "reason": "it errs"}
    ended = run(
        "--trial", 0, "--to", tmp_path / "net", GET_t0_export=httpx.Response(200, json=failed)
    )
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "error: the export of trial 0 is failed: it errs" in ended.stderr
    assert not (tmp_path / "net").exists()


def test_a_folder_with_something_else_is_refused_before_anything_is_ordered(
    run, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = run("--trial", 0, "--to", tmp_path, POST_t0_export=httpx.Response(500))
    assert "exists and is not an export; choose another folder" in ended.stderr


def test_a_trial_or_a_front_is_exported_and_not_both(run) -> None:
    ended = run("--trial", 0, "--front")
    assert ended.exit_code == 2
    assert "expected --trial or --front, found both" in ended.stderr


def test_a_search_without_such_a_trial_or_a_front_says_so(netmorph, service, search) -> None:
    options = ("--data-dir", service.directory)
    ended = refused(netmorph("export", search["id"], "--trial", 99, *options))
    assert "the search has no trial 99; " in ended
    ended = refused(netmorph("export", search["id"], "--front", *options))
    assert "the search has no front yet: no trial of it has a value" in ended
