"""Imports that go on after their request has been answered, by REST."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from api import imports
from api.edge import operations as edge
from api.models.operations import Operation
from api.roles import Role
from tests.api.background import ASYNC, Gate, ended, npz, upload


def test_an_upload_is_answered_before_it_is_imported(person: Any, gate: Gate) -> None:
    http = person().http
    answer = upload(http)

    begun = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/operations/{begun['id']}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["retry-after"] == "1"
    assert (begun["kind"], begun["name"], begun["status"]) == ("upload", "mine", "running")
    assert begun["step"] == "waiting for its turn"
    gate.wait_for_entry()
    running = http.get(answer.headers["location"])
    assert running.json() == begun | {"step": "reading the file"}
    assert running.headers["retry-after"] == "1"
    assert http.get("/v1/datasets").json()["items"] == []

    gate.open.set()
    done = ended(http, answer)
    assert (done["status"], done["step"], done["problem"]) == ("done", "", None)
    assert done["ended_at"] >= done["created_at"]
    (made,) = http.get("/v1/datasets").json()["items"]
    assert (made["id"], made["name"]) == (done["dataset_id"], "mine")
    final = http.get(answer.headers["location"])
    assert "retry-after" not in final.headers
    assert http.get("/v1/operations").json() == {"items": [final.json()], "next_cursor": None}


def test_without_the_preference_an_upload_is_imported_at_once(person: Any) -> None:
    http = person().http
    for headers in ({}, {"Prefer": "wait=10, return=minimal"}):
        assert upload(http, headers=headers).status_code == 201
    assert http.get("/v1/operations").json()["items"] == []


def test_a_large_upload_outlives_its_request(app: Any, person: Any, gate: Gate) -> None:
    """Beyond 1 MiB its file is on disk, and FastAPI closes it with the request."""
    app.state.settings = app.state.settings.model_copy(update={"max_upload_bytes": 2**23})
    http, file = person().http, io.BytesIO()
    x = np.random.default_rng(0).integers(0, 256, (40, 200, 200), dtype=np.uint8)
    np.savez(file, x=x, y=np.arange(40) % 2)
    answer = upload(http, file.getvalue())
    gate.wait_for_entry()
    gate.open.set()

    assert ended(http, answer)["status"] == "done"


def test_the_same_content_is_the_same_data_set_whichever_way_it_comes(person: Any) -> None:
    http = person().http
    first = upload(http, headers={}).json()
    operations = [ended(http, upload(http)) for _ in range(2)]

    assert [one["dataset_id"] for one in operations] == [first["id"]] * 2
    other = ended(http, upload(http, npz(classes=4)))
    versions = {one["id"]: one["version"] for one in http.get("/v1/datasets").json()["items"]}
    assert versions == {first["id"]: 1, other["dataset_id"]: 2}


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"no data set", {}), (npz(), {"layout": "NHWC"}), (npz(), {"target": "a\0b"})],
)
def test_a_refused_file_is_the_problem_that_the_request_would_have_been_answered_with(
    person: Any, content: bytes, form: dict[str, str]
) -> None:
    http = person().http
    refused = upload(http, content, headers={}, **form)
    assert refused.status_code == 422

    failed = ended(http, upload(http, content, **form))

    assert failed["problem"] == refused.json()
    assert (failed["status"], failed["dataset_id"]) == ("failed", None)
    assert http.get("/v1/datasets").json()["items"] == []


def test_what_is_known_before_the_import_is_answered_at_once(
    app: Any, person: Any, visit: Any
) -> None:
    http = person().http
    assert upload(visit()).status_code == 401
    assert upload(person(Role.WORKER).http).status_code == 403
    assert upload(http, bytes(3 * 2**20)).status_code == 413
    assert upload(http, image_side="0").status_code == 422
    assert http.post("/v1/datasets", data={"name": "a"}, headers=ASYNC).status_code == 422
    assert http.post("/v1/datasets/builtin/imagenet", headers=ASYNC).status_code == 422
    app.state.settings = app.state.settings.model_copy(update={"owner_bytes": 10})
    assert upload(http).status_code == 403
    assert http.get("/v1/operations").json()["items"] == []


def test_a_built_in_data_set_is_imported_in_the_background(person: Any) -> None:
    http = person().http
    path = "/v1/datasets/builtin/digits"
    done = ended(http, http.post(path, headers=ASYNC))
    assert (done["kind"], done["status"]) == ("builtin", "done")
    assert http.post(path).json()["id"] == done["dataset_id"]


def test_a_defect_is_a_problem_without_detail_and_in_the_log(
    person: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(imports.intake, "read", defect)
    answer = upload(person().http, headers=ASYNC | {"X-Request-ID": "the-request"})
    http = person(Role.ADMIN).http

    problem = ended(http, answer)["problem"]

    assert problem["status"] == 500
    assert problem["detail"].endswith("under request the-request")
    assert "a secret" in caplog.text


def test_an_operation_is_its_owners(person: Any) -> None:
    owner, other, admin = person().http, person().http, person(Role.ADMIN).http
    done = ended(owner, upload(owner))
    path = f"/v1/operations/{done['id']}"

    assert admin.get(path).json() == done
    assert other.get(path).status_code == 404
    assert other.head(path).status_code == 404
    assert other.get(path, params={"wait": 1}).status_code == 404
    assert other.get("/v1/operations").json()["items"] == []
    assert owner.get(f"/v1/operations/{uuid4()}").status_code == 404
    assert person(Role.WORKER).http.get(path).status_code == 403


def test_an_operation_is_cancelled_by_its_owner_or_an_admin(person: Any, gate: Gate) -> None:
    owner, other, admin = person().http, person().http, person(Role.ADMIN)
    first, second = upload(owner), upload(owner)
    paths = [f"{one.headers['location']}:cancel" for one in (first, second)]
    assert other.post(paths[0]).status_code == 404
    assert owner.post(f"/v1/operations/{uuid4()}:cancel").status_code == 404

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(owner.get, first.headers["location"], params={"wait": 20})
        cancelled = owner.post(paths[0])
        assert waiting.result().json() == cancelled.json()
    assert cancelled.status_code == 200
    body = cancelled.json()
    assert (body["status"], body["step"], body["dataset_id"]) == ("cancelled", "", None)
    assert body["problem"]["status"] == 409
    assert body["ended_at"] >= body["created_at"]
    assert owner.post(paths[0]).json() == body  # again
    by_admin = admin.http.post(paths[1]).json()
    name = owner.get("/v1/me").json()["name"]
    assert f"was cancelled by {name}:" in body["problem"]["detail"]
    assert f"was cancelled by {admin.caller.name}:" in by_admin["problem"]["detail"]

    gate.open.set()
    done = ended(owner, upload(owner))
    refused = owner.post(f"/v1/operations/{done['id']}:cancel")
    assert refused.status_code == 409
    assert "is done; only one that is running can be cancelled" in refused.json()["detail"]
    listed = owner.get("/v1/operations").json()["items"]
    assert [one["status"] for one in listed] == ["done", "cancelled", "cancelled"]


def test_operations_are_listed_in_pages(person: Any) -> None:
    http = person().http
    made = [ended(http, upload(http))["id"] for _ in range(3)]
    first = http.get("/v1/operations", params={"limit": 2}).json()
    parameters = {"limit": 2, "cursor": first["next_cursor"]}
    second = http.get("/v1/operations", params=parameters).json()

    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_an_operation_has_an_etag_and_is_waited_for(person: Any, gate: Gate) -> None:
    http = person().http
    answer = upload(http)
    path = answer.headers["location"]
    gate.wait_for_entry()
    running = http.get(path)
    known = {"If-None-Match": running.headers["etag"]}
    assert running.headers["etag"] != answer.headers["etag"]  # its step is another one
    unchanged = http.get(path, headers=known, params={"wait": 0.05})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, known["If-None-Match"])
    assert http.head(path, headers=known).status_code == 304
    assert http.get(path, params={"wait": 0.05}).json()["status"] == "running"

    with ThreadPoolExecutor(2) as pool:
        begun = time.monotonic()
        until_changed = pool.submit(http.get, path, headers=known, params={"wait": 20})
        until_ended = pool.submit(http.get, path, params={"wait": 20})
        gate.open.set()
        assert until_changed.result().json()["step"] != "reading the file"
        assert until_ended.result().json()["status"] == "done"
        assert time.monotonic() - begun < 10


def test_an_upload_counts_in_the_quota_until_it_is_imported(
    app: Any, person: Any, gate: Gate
) -> None:
    user, other = person(), person()
    room = len(npz()) + 1000  # for one upload with its form, not for two
    app.state.settings = app.state.settings.model_copy(update={"owner_bytes": room})
    first = upload(user.http)
    gate.wait_for_entry()

    assert upload(user.http).status_code == 403
    assert upload(user.http, headers={}).status_code == 403
    second = upload(other.http)
    gate.open.set()
    assert ended(user.http, first)["status"] == "done"
    assert ended(other.http, second)["status"] == "done"
    app.state.settings = app.state.settings.model_copy(update={"owner_bytes": 2**20})
    assert upload(user.http, headers={}).status_code == 201


def test_a_user_has_few_imports_at_once_and_the_process_a_bounded_number(
    person: Any, world: Any, gate: Gate
) -> None:
    people = [person().http for _ in range(3)]
    begun: list[tuple[httpx.Client, httpx.Response]] = []
    for http in people[:2]:
        begun += [(http, upload(http)) for _ in range(4)]
    for _ in range(edge.THREADS):
        gate.wait_for_entry()
    builtin = people[0].post("/v1/datasets/builtin/digits", headers=ASYNC)
    for refused in (upload(people[0]), builtin):
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")

    begun += [(people[2], upload(people[2])) for _ in range(2)]
    full = upload(people[2])
    assert (full.status_code, full.headers["retry-after"]) == (503, "10")
    assert "10 imports are in progress" in full.json()["detail"]
    with world.sessions.begin() as session:
        assert len(session.scalars(select(Operation)).all()) == len(begun) == 10

    gate.open.set()
    assert {ended(http, one)["status"] for http, one in begun} == {"done"}
    assert upload(people[2]).status_code == 202
