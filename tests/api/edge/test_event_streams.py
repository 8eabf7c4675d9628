"""Event streams: what a client receives when it connects, reconnects, and when the search ends."""

import concurrent.futures
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.edge.changes import MAX_WAITERS, POLL_SECONDS
from api.models.searches import Search
from api.roles import Role
from core.protocol.states import SearchStatus
from tests.waiting import wait_for


def events(http: Any, search_id: Any, last: int | str | None = None) -> Iterator[tuple[str, str]]:
    """The events of a stream, each with its id."""
    headers = {} if last is None else {"Last-Event-ID": str(last).encode("latin-1")}
    with http.stream("GET", f"/v1/searches/{search_id}/events", headers=headers) as stream:
        name = ""
        for line in stream.iter_lines():
            if line.startswith(": "):
                yield "comment", ""
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("id: "):
                yield name, line.removeprefix("id: ")
            elif line.startswith("data: ") and "deleted" in line:
                yield name, "deleted"


def version(http: Any, search_id: Any) -> int:
    found: int = http.get(f"/v1/searches/{search_id}").json()["version"]
    return found


@pytest.mark.parametrize("last", [None, 0, "nonsense", "²", "9" * 1000])
def test_a_client_hears_the_present_version_at_once(person, world, last) -> None:
    user = person()
    search = world.search(user.caller)
    assert next(events(user.http, search, last)) == ("change", str(version(user.http, search)))


def test_a_client_that_is_up_to_date_hears_nothing_until_the_next_change(person, world) -> None:
    user, other = person(), person()
    search = world.search(user.caller)
    known = version(user.http, search)
    stream = events(user.http, search, known)
    assert next(stream) == ("comment", "")
    other.http.headers["Authorization"] = user.http.headers["Authorization"]
    assert other.http.post(f"/v1/searches/{search}:pause").status_code == 200
    assert next(stream) == ("change", str(known + 1))


def test_the_stream_of_an_ended_search_ends(person, world) -> None:
    user = person()
    search = world.search(user.caller)
    world.set(Search, search, status=SearchStatus.COMPLETED)
    now = str(version(user.http, search))
    assert list(events(user.http, search)) == [("change", now), ("end", now)]


def test_the_stream_of_a_deleted_search_ends(person, world) -> None:
    user, other = person(), person()
    search = world.search(user.caller)
    stream = events(user.http, search)
    next(stream)
    other.http.headers["Authorization"] = user.http.headers["Authorization"]
    assert other.http.delete(f"/v1/searches/{search}").status_code == 204
    assert list(stream)[-1] == ("end", "deleted")


def test_no_more_listeners_are_taken_than_the_limit(person, world, app) -> None:
    user = person()
    search = world.search(user.caller)
    app.state.changes._count = MAX_WAITERS
    answer = user.http.get(f"/v1/searches/{search}/events")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "poll the search instead" in answer.json()["detail"]


def test_the_stream_of_a_search_that_ended_before_ends_at_once(person, world) -> None:
    user = person()
    search = world.search(user.caller, status=SearchStatus.STOPPED)
    known = version(user.http, search)
    assert list(events(user.http, search, known)) == [("end", str(known))]


@pytest.mark.parametrize("end", ["revoke", "rotate"])
def test_a_stream_ends_with_its_key(person, world, end) -> None:
    """Before its next look: the end of a key is notified."""
    user, admin = person(), person(Role.ADMIN)
    search = world.search(user.caller)
    stream = events(user.http, search)
    assert next(stream)[0] == "change"
    key = f"/v1/keys/{user.caller.key_id}"
    done = admin.http.delete(key) if end == "revoke" else admin.http.post(f"{key}:rotate")
    assert done.is_success
    started = time.monotonic()
    assert list(stream) == []
    assert time.monotonic() - started < POLL_SECONDS


def test_a_long_poll_ends_with_its_key(person, world, app) -> None:
    user, admin = person(), person(Role.ADMIN)
    search = world.search(user.caller)
    known = version(user.http, search)
    path = f"/v1/searches/{search}?since={known}&wait=20"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(user.http.get, path)
        wait_for(lambda: app.state.changes._waiters, seconds=10)
        assert admin.http.delete(f"/v1/keys/{user.caller.key_id}").is_success
        assert answer.result(POLL_SECONDS).status_code == 401
