"""Requests that have taken effect although their caller got an error, and are sent again."""

from typing import Any

import httpx
import pytest

from api.roles import Role
from tests.api.routes.test_networks import upload
from tests.faults.steps import DurableSteps, Fault

SEARCH = {"dataset": "digits", "budget": {"trials": 3}, "name": "mine"}


@pytest.fixture
def steps(app: Any, monkeypatch: pytest.MonkeyPatch) -> DurableSteps:
    steps = DurableSteps()
    steps.install(monkeypatch, app.state.engine)
    return steps


def twice(http: httpx.Client, steps: DurableSteps, method: str, path: str, **more: Any) -> Any:
    """Send a request whose connection to the database is lost after its commit, and again.

    Returns the second answer.
    """
    steps.fail_at(1, Fault.ERROR, after=True)
    first = http.request(method, path, **more)
    assert (steps.struck, steps.taken) == (True, 1), path
    steps.fail_at(0)
    assert (first.status_code, first.headers["retry-after"]) == (503, "1"), first.text
    second = http.request(method, path, **more)
    assert second.is_success, (path, second.text)
    return second.json() if second.content else None


def test_a_request_that_has_taken_effect_may_be_sent_again(person, world, steps) -> None:
    """It has the same effect once, and the second answer is that of a success."""
    user, admin = person(), person(Role.ADMIN)
    http = user.http
    for one in (http, admin.http):
        one.get("/v1/searches")  # notes the use of the key, once for a while

    def send(method: str, path: str, **more: Any) -> Any:
        return twice(http, steps, method, path, **more)

    search = send("POST", "/v1/searches", json=SEARCH, headers={"Idempotency-Key": "once"})
    assert len(http.get("/v1/searches").json()["items"]) == 1
    one = f"/v1/searches/{search['id']}"
    network = world.network(user.caller)
    enqueued = f"{one}/enqueued/{network}"
    send("PUT", enqueued)
    assert len(http.get(f"{one}/enqueued").json()["items"]) == 1
    assert send("PATCH", one, json={"name": "renamed"})["name"] == "renamed"
    assert send("POST", f"{one}:pause")["status"] == "paused"
    send("POST", f"{one}:resume")
    extended = send("POST", f"{one}:extend", json={"trials": 5})
    assert extended["budget"]["trials"] == 5
    assert send("POST", f"{one}:stop")["status"] == "stopped"

    key = admin.http.post("/v1/keys", json={"name": "a", "role": "user"}).json()["id"]
    revoked = twice(admin.http, steps, "DELETE", f"/v1/keys/{key}")
    assert revoked["revoked_at"]
    world.audit()


@pytest.mark.parametrize("after", [False, True])
def test_an_upload_that_storage_failed_may_be_sent_again(person, app, steps, after) -> None:
    http = person().http
    http.get("/v1/searches")
    steps.fail_at(1, Fault.ERROR, after=after)
    first = upload(http)
    assert (first.status_code, first.headers["retry-after"]) == (503, "5"), first.text
    assert steps.struck
    steps.fail_at(0)
    assert upload(http).status_code == 201
    (one,) = http.get("/v1/networks").json()["items"]
    assert one["name"] == "mine"


def test_a_deletion_that_has_taken_effect_finds_nothing_the_second_time(
    person, world, steps
) -> None:
    user = person()
    user.http.get("/v1/searches")
    paths = [
        f"/v1/searches/{world.search(user.caller)}",
        f"/v1/networks/{world.network(user.caller)}",
        f"/v1/datasets/{world.dataset(user.caller)}",
    ]
    for path in paths:
        steps.fail_at(1, Fault.ERROR, after=True)
        assert user.http.delete(path).status_code == 503
        steps.fail_at(0)
        assert user.http.delete(path).status_code == 404
    world.audit()
