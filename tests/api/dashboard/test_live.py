"""Resources of open pages: events of changes, figures by theme, the exported model."""

import time
from pathlib import Path
from typing import Any

import pytest

from api.edge.changes import MAX_WAITERS, POLL_SECONDS
from api.store.notifications import changed
from core.protocol.states import SearchStatus, TrialKind
from core.protocol.storage import Storage
from tests.api.visitors import enter, token
from tests.waiting import wait_for


def test_a_page_hears_of_its_search_until_that_has_ended(visitor, world) -> None:
    search = world.search(visitor.caller, status=SearchStatus.STOPPED)
    version = visitor.http.get(f"/ui/searches/{search}/events/stream").text
    assert "event: change" in version
    assert version.rstrip().splitlines()[-3] == "event: end"


def test_a_page_that_reconnects_is_not_told_twice(visitor, world) -> None:
    search = world.search(visitor.caller, status=SearchStatus.STOPPED)
    path = f"/ui/searches/{search}/events/stream"
    (last,) = {line for line in visitor.http.get(path).text.splitlines() if line.startswith("id: ")}
    headers = {"Last-Event-ID": last.removeprefix("id: ")}
    lines = [line for line in visitor.http.get(path, headers=headers).text.splitlines() if line]
    assert lines[1] == "event: end"
    assert len(lines) == 4


@pytest.mark.parametrize("of", ["one search", "any search"])
def test_a_page_hears_no_more_after_the_sign_out(visitor, visit, world, app, of) -> None:
    """Before its next look: the end of a session is notified."""
    search = world.search(visitor.caller)
    path = "/ui/events/stream" if of == "any search" else f"/ui/searches/{search}/events/stream"
    other = visit()
    other.cookies = visitor.http.cookies
    form = {"token": token(visitor.http)}
    with visitor.http.stream("GET", path) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        wait_for(lambda: app.state.changes._waiters, seconds=10)
        assert other.post("/sign-out", data=form).status_code == 303
        started = time.monotonic()
        assert len(list(lines)) < 10
        assert time.monotonic() - started < POLL_SECONDS


def test_a_list_hears_of_any_change_but_not_of_what_has_changed(visitor, world, app) -> None:
    """The search may be another's: the event has no data."""
    with visitor.http.stream("GET", "/ui/events/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines).startswith("retry: ")
        while not app.state.changes._waiters:  # it subscribes after its first line
            assert not app.state.changes.full
        world.search()
        assert [next(lines), next(lines)] == ["event: change", "data: {}"]


@pytest.mark.parametrize("of", ["one search", "any search"])
def test_no_more_pages_listen_than_the_limit(visitor, world, app, of) -> None:
    search = world.search(visitor.caller)
    app.state.changes._count = MAX_WAITERS
    path = "/ui/events/stream" if of == "any search" else f"/ui/searches/{search}/events/stream"
    answer = visitor.http.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_figures_follow_the_theme_of_the_page(visitor, world) -> None:
    search = world.search(visitor.caller)
    trial = world.trial(search, status="completed", value=0.5)
    for path in (
        f"/ui/searches/{search}/figures/best-so-far",
        f"/ui/trials/{trial}/figures/curves",
    ):
        light, dark = (
            visitor.http.get(path, params={"theme": theme}).json() for theme in ("light", "dark")
        )
        assert set(light) >= {"data", "layout"}
        assert light["layout"] != dark["layout"]
        assert visitor.http.get(path).json() == light
        assert visitor.http.get(path, params={"theme": "blue"}).status_code == 422


def test_an_unknown_figure_is_refused_with_the_known_ones(visitor, world) -> None:
    answer = visitor.http.get(f"/ui/searches/{world.search(visitor.caller)}/figures/pie")
    assert answer.status_code == 422
    assert "best-so-far" in answer.text


def test_the_exported_model_is_downloaded_under_the_name_of_its_search(
    visitor, world, storage_url: str
) -> None:
    content: Any = b"a model" * 100_000  # several chunks
    export = Storage(storage_url).put("exports", content, "zip")
    search = world.search(visitor.caller)
    early = visitor.http.get(f"/searches/{search}/export")
    assert (early.status_code, "has no exported model yet" in early.text) == (404, True)
    assert early.headers["content-type"].startswith("text/html")
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=world.trial(search),
        export_key=export.key, export_bytes=export.bytes,
    )  # fmt: skip

    answer = visitor.http.get(f"/searches/{search}/export")

    assert answer.content == content
    assert answer.headers["content-disposition"] == f'attachment; filename="netmorph-{search}.zip"'
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "other kind"])
def test_a_damaged_export_is_not_served(visitor, world, storage_url: str, damage: str) -> None:
    content = b"a model" * 100_000
    kind = "datasets" if damage == "other kind" else "exports"
    export = Storage(storage_url).put(kind, content, "zip")
    search = world.search(visitor.caller)
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=world.trial(search),
        export_key=export.key, export_bytes=export.bytes,
    )  # fmt: skip
    path = Path(storage_url.removeprefix("file://")) / export.key
    if damage == "remove":
        path.unlink()
    elif damage != "other kind":
        path.write_bytes(content[:-1] if damage == "cut" else content[:-1] + b"L")
    for address, headers in (
        (f"/searches/{search}/export", {}),
        (f"/v1/searches/{search}/export", {"Authorization": f"Bearer {visitor.key}"}),
    ):
        answer = visitor.http.get(address, headers=headers)
        assert answer.status_code == 503
        assert "etag" not in answer.headers
        assert "is damaged or missing in storage" in answer.text


def test_a_part_of_a_page_is_sent_only_when_it_has_changed(visitor, person, world) -> None:
    search = world.search(visitor.caller)
    world.trial(search, value=0.5)
    paths = [f"/ui/searches/{search}/{part}" for part in ("trials", "log", "surrogate", "heading")]
    paths += [f"/ui/searches/{search}/figures/{name}" for name in ("best-so-far", "front")]
    tags = {path: visitor.http.get(path).headers["etag"] for path in paths}
    for path, tag in tags.items():
        same = visitor.http.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag), path
    stranger = person()
    assert enter(stranger.http, stranger.key).status_code == 303
    for path, tag in tags.items():
        answer = stranger.http.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 404, path
    world.trial(search, value=0.75)
    with world.sessions.begin() as session:
        changed(session, search)
    for path, tag in tags.items():
        assert visitor.http.get(path, headers={"If-None-Match": tag}).status_code == 200, path
