"""Resources of open pages: events of changes, figures by theme, the exported model."""

from typing import Any

import pytest

from api.edge.changes import MAX_WAITERS
from core.protocol.states import SearchStatus, TrialKind
from core.protocol.storage import Storage


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
    with visitor.http.stream("GET", path, headers=headers) as stream:
        lines = (line for line in stream.iter_lines() if line and not line.startswith("retry"))
        assert next(lines) == ": still here"


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
    assert visitor.http.get(f"/searches/{search}/export").status_code == 404
    world.trial(
        search, kind=TrialKind.FINAL, parent_id=world.trial(search),
        export_key=export.key, export_bytes=export.bytes,
    )  # fmt: skip

    answer = visitor.http.get(f"/searches/{search}/export")

    assert answer.content == content
    assert answer.headers["content-disposition"] == f'attachment; filename="netmorph-{search}.zip"'
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == str(len(content))
