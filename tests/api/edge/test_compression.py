"""Compression: for those who accept it, of what is worth it."""

import gzip
from typing import Any

import plotly
import pytest

from api.dashboard.rendering import PLOTLY_SCRIPT
from api.roles import Role

PLOTLY = f"/static/plotly-{plotly.__version__}.min.js"


@pytest.mark.parametrize("path", ["/sign-in", "/openapi.json", PLOTLY, "/static/netmorph.css"])
def test_pages_scripts_and_json_are_compressed_for_those_who_accept_it(
    visit: Any, path: str
) -> None:
    client = visit()
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.content == plain.content


def test_plotly_is_compressed_once_and_well(visit: Any) -> None:
    with visit().stream("GET", PLOTLY, headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert len(sent) < PLOTLY_SCRIPT.stat().st_size / 3
    assert gzip.decompress(sent) == PLOTLY_SCRIPT.read_bytes()


def test_events_are_not_held_back_and_workers_read_plain_answers(visitor: Any, world: Any) -> None:
    with visitor.http.stream("GET", "/ui/events/stream") as stream:
        assert "content-encoding" not in stream.headers
        assert next(stream.iter_lines()).startswith("retry")


def test_workers_read_plain_answers(person: Any, world: Any) -> None:
    world.trial(world.search(), architecture={"nodes": ["x"] * 1000})
    request = world.worker().model_dump(mode="json")
    answer = person(Role.WORKER).http.post("/v1/worker/lease", json=request)
    assert len(answer.content) > 4000
    assert "content-encoding" not in answer.headers
