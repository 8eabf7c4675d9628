"""HEAD is answered as GET, without content."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.roles import Role
from docs.routes import route_roles
from tests.api.visitors import enter

#: They differ between two requests, as pages have tokens and times, or frame the content.
VARYING = {"date", "x-request-id", "set-cookie", "content-length", "etag", "transfer-encoding"}


def readable(app: FastAPI, search_id: Any, trial_id: Any) -> Iterator[str]:
    """Every path that has GET, of a search and a trial that exist."""
    found = {"search_id": search_id, "trial_id": trial_id, "name": "front", "part": "state"}
    for method, path in route_roles(app):
        if method == "GET":
            names = [one.partition("}")[0].partition(":")[0] for one in path.split("{")[1:]]
            yield path.format(**{name: uuid4() for name in names} | found)


def described(http: httpx.Client, method: str, path: str) -> tuple[int, dict[str, str]]:
    """The status of an answer, and its headers but those that vary."""
    with http.stream(method, path) as answer:
        if method == "HEAD":
            assert answer.read() == b""
        headers = {name: text for name, text in answer.headers.items() if name not in VARYING}
        return answer.status_code, headers


def test_every_path_with_get_answers_head_with_the_same_headers(app, person, world) -> None:
    admin = person(Role.ADMIN)
    assert enter(admin.http, admin.key).status_code == 303
    admin.http.headers["Authorization"] = f"Bearer {admin.key}"
    search_id = world.search(admin.caller)
    tried = 0
    for path in readable(app, search_id, world.trial(search_id)):
        head = described(admin.http, "HEAD", path)
        assert head == described(admin.http, "GET", path), path
        tried += head[0] == 200
    assert tried >= 45


def test_head_ends_a_stream_of_events_at_once(person, world) -> None:
    user = person()
    path = f"/v1/searches/{world.search(user.caller)}/events"
    for _ in range(3):  # the connection is used again
        answer = user.http.head(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/searches", 401), ("/v1/nothing", 404), ("/v1/searches:validate", 405)],
)
def test_head_is_refused_as_get_is(visit, path: str, status: int) -> None:
    answer = visit().head(path)
    assert (answer.status_code, answer.content) == (status, b"")


def test_head_states_the_length_of_the_content(person) -> None:
    user = person()
    plain = {"Accept-Encoding": "identity"}
    length = user.http.head("/v1/searches", headers=plain).headers["content-length"]
    assert int(length) == len(user.http.get("/v1/searches", headers=plain).content)
