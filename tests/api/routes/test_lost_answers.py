"""Requests that have taken effect although their caller got an error, and are sent again."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api.edge import operations
from api.models.webhooks import Delivery
from api.roles import Role
from api.store import leases
from tests.api.routes.test_input import X, Y, npz
from tests.api.routes.test_networks import upload
from tests.api.store.reports import LEASE
from tests.faults.steps import DurableSteps, Fault

SEARCH = {"dataset": "digits", "budget": {"trials": 3}, "name": "mine"}


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations send no signs of life, whose commits would be counted with those of requests."""
    monkeypatch.setattr(operations, "LOOK_SECONDS", 3600.0)


@pytest.fixture
def steps(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[DurableSteps]:
    with DurableSteps().watching(monkeypatch, app.state.engine) as steps:
        yield steps


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
    assert http.post("/v1/datasets/builtin/digits").is_success  # else the search would import it

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


def test_a_key_whose_secret_nobody_saw_is_created_once(person, steps) -> None:
    """The second answer has a secret that opens; the lost one, which may be anywhere, does not."""
    admin = person(Role.ADMIN).http
    admin.get("/v1/searches")
    body = {"name": "Ada", "role": "user"}
    once = {"Idempotency-Key": "once"}
    made = twice(admin, steps, "POST", "/v1/keys", json=body, headers=once)
    keys = admin.get("/v1/keys").json()["items"]
    assert [one["id"] for one in keys if one["name"] == "Ada"] == [made["id"]]

    other = admin.post("/v1/keys", json=body | {"role": "admin"}, headers=once)
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)
    again = admin.post("/v1/keys", json=body, headers=once).json()
    assert again["id"] == made["id"]
    opened = [
        admin.get("/v1/searches", headers={"Authorization": f"Bearer {one['key']}"}).status_code
        for one in (made, again)
    ]
    assert opened == [401, 200]
    used = admin.post("/v1/keys", json=body, headers=once)
    assert (used.status_code, "has been used" in used.json()["detail"]) == (409, True)

    path = f"/v1/keys/{made['id']}:rotate"
    rotated = twice(admin, steps, "POST", path, json={"grace_seconds": 60})
    for key in (again["key"], rotated["key"]):
        opens = admin.get("/v1/searches", headers={"Authorization": f"Bearer {key}"})
        assert opens.status_code == 200


def test_a_webhook_is_created_pinged_and_redelivers_once(person, steps, app) -> None:
    user, stranger = person().http, person().http
    for http in (user, stranger):
        http.get("/v1/searches")
    body = {"name": "chat", "url": "https://hooks.invalid/", "events": ["search.completed"]}
    once = {"Idempotency-Key": "once"}
    made = twice(user, steps, "POST", "/v1/webhooks", json=body, headers=once)
    assert made == user.post("/v1/webhooks", json=body, headers=once).json()
    assert len(user.get("/v1/webhooks").json()["items"]) == 1
    assert stranger.post("/v1/webhooks", json=body, headers=once).json()["id"] != made["id"]
    other = user.post("/v1/webhooks", json=body | {"name": "other"}, headers=once)
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)

    path = f"/v1/webhooks/{made['id']}"
    ping = twice(user, steps, "POST", f"{path}:ping")
    (one,) = user.get(f"{path}/deliveries").json()["items"]
    assert one["id"] == ping["id"]
    with app.state.sessions.begin() as session:
        session.execute(update(Delivery).values(status="failed", attempts=7))
    again = twice(user, steps, "POST", f"{path}/deliveries/{ping['id']}:redeliver")
    assert (again["id"], again["status"], again["attempts"]) == (ping["id"], "pending", 0)
    assert len(user.get(f"{path}/deliveries").json()["items"]) == 1
    steps.fail_at(1, Fault.ERROR, after=True)
    assert user.delete(path).status_code == 503
    steps.fail_at(0)
    assert user.delete(path).status_code == 404


def test_a_worker_is_drained_and_a_search_shared_once(person, world, steps, do) -> None:
    admin, user, other = person(Role.ADMIN), person(), person()
    for one in (admin, user, other):
        one.http.get("/v1/searches")
    worker = world.worker()
    assert do(leases.take, worker, worker.boot_id, LEASE).held is None
    for verb, draining in (("drain", True), ("undrain", False)):
        path = f"/v1/workers/{worker.worker_id}:{verb}"
        assert twice(admin.http, steps, "POST", path)["draining"] is draining
    path = f"/v1/searches/{world.search(user.caller)}"
    for shared, status in ((True, 200), (False, 404)):
        assert twice(user.http, steps, "PATCH", path, json={"shared": shared})["shared"] is shared
        assert other.http.get(path).status_code == status


def upload_dataset(http: httpx.Client) -> httpx.Response:
    files = {"file": ("d.npz", npz(x=X, y=Y))}
    return http.post("/v1/datasets", data={"name": "mine"}, files=files)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("step", "retry_after"), [(1, "5"), (2, "1")])
@pytest.mark.parametrize(("send", "path"), [(upload, "networks"), (upload_dataset, "datasets")])
def test_an_upload_that_failed_at_either_step_may_be_sent_again(
    person, world, steps, send, path, step, retry_after, after
) -> None:
    """Its bytes are stored, then its row; whichever failed, there is one object afterwards."""
    http = person().http
    http.get("/v1/searches")
    steps.fail_at(step, Fault.ERROR, after=after)
    first = send(http)
    assert steps.struck
    assert (first.status_code, first.headers["retry-after"]) == (503, retry_after), first.text
    steps.fail_at(0)
    second, third = send(http), send(http)
    assert (second.status_code, third.json()) == (201, second.json())
    (one,) = http.get(f"/v1/{path}").json()["items"]
    assert one["id"] == second.json()["id"]
    world.audit()


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
