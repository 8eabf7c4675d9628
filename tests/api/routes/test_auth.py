"""Permissions: every route of the app, by the keys that it accepts."""

import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from api.models.datasets import Dataset
from api.roles import Role
from core.protocol.states import SearchStatus
from docs.routes import is_of_search, reads_shared, route_roles
from tests.api.visitors import enter, token

#: Nobody asks for a key here; every other route does.
PUBLIC = {
    "/healthz", "/readyz", "/openapi.json", "/docs",
    "/sign-in", "/static", "/static/plotly-{version}.min.js", "/static/swagger/{version}/{name}",
}  # fmt: skip
#: Whose keys a route takes, by the start of its path; users' and admins' where nothing is said.
TAKEN = {
    "/v1/worker/": {Role.WORKER},
    "/v1/keys": {Role.ADMIN},
    "/metrics": {Role.ADMIN},
    "/v1/storage": {Role.ADMIN},
}
#: Actions of admins alone, by the end of their path.
ADMINS_ACTIONS = (":drain", ":undrain")

Call = tuple[str, str]


def routes(router) -> Iterator[BaseRoute]:
    """Every route, those of included routers too."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router)
        else:
            yield route


def guarded(app: FastAPI, **ids: UUID) -> Iterator[Call]:
    """Every method and path that is not public, with ids filled in."""
    for route in routes(app):
        if route.path in PUBLIC:
            continue
        for method in route.methods:
            values = {name: ids.get(name, uuid4()) for name in route.param_convertors}
            values |= {"name": "best-so-far"} if "name" in values else {}
            values |= {"part": "state"} if "part" in values else {}
            values |= {"action": "stop"} if "action" in values else {}
            yield method, route.path.format(**values)


def is_rest(path: str) -> bool:
    """Whether a key opens it; a page's session opens the others."""
    return path.startswith("/v1/") or path == "/metrics"


def calls(app: FastAPI, **ids: UUID) -> Iterator[Call]:
    """Every method and path of the REST interface, with ids filled in."""
    return (call for call in guarded(app, **ids) if is_rest(call[1]))


def pages(app: FastAPI) -> Iterator[Call]:
    """Every method and path of the dashboard behind its sign-in."""
    return (call for call in guarded(app) if not is_rest(call[1]))


def taken(path: str) -> set[Role]:
    if path.endswith(ADMINS_ACTIONS):
        return {Role.ADMIN}
    return next(
        (roles for start, roles in TAKEN.items() if path.startswith(start)),
        {Role.USER, Role.ADMIN},
    )


def is_problem(answer) -> bool:
    return (
        answer.headers["content-type"] == "application/problem+json"
        and answer.json()["status"] == answer.status_code
        and bool(answer.json()["detail"])
    )


def test_the_table_covers_the_interface(app):
    found = list(calls(app))
    assert len(found) >= 29
    assert {"/".join(path.split("/")[:3]) for _, path in found} == {
        "/v1/searches", "/v1/searches:validate", "/v1/trials", "/v1/datasets", "/v1/networks",
        "/v1/workers", "/v1/worker", "/v1/queue", "/v1/keys", "/v1/me", "/v1/webhooks",
        "/v1/storage:collect", "/v1/operations", "/metrics",
    }  # fmt: skip
    assert {route.path for route in routes(app)} >= PUBLIC  # none is left from before
    assert len(list(pages(app))) >= 17


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "netmorph_" + "x" * 43},
        {"Authorization": "Bearer netmorph_" + "x" * 43},
        {"Authorization": "Basic bmV0bW9ycGg6"},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
def test_without_a_known_key_nothing_is_revealed(app, visit, headers):
    client = visit()
    for method, path in calls(app):
        app.state.throttle._buckets.clear()  # the brake on guessing has its own test
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 401, (method, path)
        assert is_problem(answer)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", list(Role))
def test_a_revoked_key_opens_nothing(app, person, role):
    somebody, admin = person(role), person(Role.ADMIN)
    assert somebody.http.get("/v1/searches").status_code in (200, 403)  # known
    assert admin.http.delete(f"/v1/keys/{somebody.caller.key_id}").is_success
    for method, path in calls(app):
        app.state.throttle._buckets.clear()
        answer = somebody.http.request(method, path)
        assert answer.status_code == 401, (method, path)
        assert is_problem(answer)


def test_a_key_is_no_session(app, person):
    client = person(Role.ADMIN).http
    for method, path in pages(app):
        answer = client.request(method, path)
        if path.startswith("/ui/"):
            assert answer.status_code == 401, (method, path)
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in"), (method, path)


def test_the_documented_matrix_says_what_each_route_answers(app, person, visit):
    """Each route is called with a key or a session of each role, and without one."""
    documented = route_roles(app)
    keys = {role: person(role).http for role in Role}
    sessions, nobody = {role: visit() for role in Role}, visit()
    for role in Role:
        may_enter = role in (Role.USER, Role.ADMIN)
        assert (enter(sessions[role], person(role).key).status_code == 303) == may_enter
    for (method, path), roles in documented.items():
        filled = next(
            (call for call in guarded(app) if call[0] == method and is_filled(path, call[1])), None
        )
        assert (filled is None) == (roles is None) == (path in PUBLIC), (method, path)
        if filled is None or roles is None:
            continue
        app.state.throttle._buckets.clear()
        assert not is_open(nobody, filled)
        if is_rest(path) or method == "GET":  # forms need more than a session, see test_forms
            for role, client in (keys if is_rest(path) else sessions).items():
                assert is_open(client, filled) == (role in roles), (filled, role)


def is_open(client, call: Call) -> bool:
    with client.stream(*call) as answer:  # some answers have no end
        is_sent_away = answer.headers.get("location", "").startswith("/sign-in")
        return answer.status_code not in (401, 403) and not is_sent_away


def is_filled(path: str, call: str) -> bool:
    pattern = "/".join("[^/]+" if "{" in part else part for part in path.split("/"))
    return re.fullmatch(pattern, call) is not None


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_its_routes(app, person, role):
    client = person(role).http
    for method, path in calls(app):
        answer = client.request(method, path)
        if role in taken(path):
            assert answer.status_code not in (401, 403), (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path)
            assert is_problem(answer)


def test_resources_of_other_users_are_not_found(app, person, world):
    owner, stranger = person(), person()
    search_id = world.search(owner.caller, SearchStatus.RUNNING)
    trial_id = world.trial(search_id)
    dataset_id = world.dataset(owner.caller)
    ids = {"search_id": search_id, "trial_id": trial_id, "dataset_id": dataset_id}
    tried = 0
    for method, path in calls(app, **ids):
        if not any(str(one) in path for one in ids.values()) or Role.USER not in taken(path):
            continue
        answer = stranger.http.request(method, path)
        assert answer.status_code == 404, (method, path, answer.text)
        assert is_problem(answer)
        tried += 1
    assert tried >= 14
    world.set(Dataset, dataset_id, name="its name")
    for dataset in (str(dataset_id), "its name"):
        body = {"dataset": dataset, "budget": {"trials": 1}}
        answer = stranger.http.post("/v1/searches", json=body)
        assert answer.status_code == 422, answer.text
        assert "there is no data set" in answer.json()["detail"]
    assert stranger.http.get("/v1/searches").json()["items"] == []
    assert world.get_search(search_id).status == SearchStatus.RUNNING
    assert owner.http.get(f"/v1/searches/{search_id}").status_code == 200
    assert owner.http.get(f"/v1/trials/{trial_id}").status_code == 200
    assert owner.http.get(f"/v1/datasets/{dataset_id}").status_code == 200


def test_a_shared_search_is_read_by_all_users_and_changed_by_none_but_its_owner(app, person, world):
    """Each route of a search or a trial, as the matrix says."""
    owner, reader, worker = person(), person(), person(Role.WORKER)
    enter(reader.http, reader.key)
    session, http = reader.http, person().http
    search_id = world.search(owner.caller, SearchStatus.RUNNING)
    trial_id = world.trial(search_id, status="running")
    shared = {"shared": True}
    assert http.patch(f"/v1/searches/{search_id}", json=shared).status_code == 404
    assert owner.http.patch(f"/v1/searches/{search_id}", json=shared).json()["shared"]
    before = owner.http.get(f"/v1/searches/{search_id}").json()
    ids = {"search_id": search_id, "trial_id": trial_id}
    form = {"token": token(session), "network_id": str(uuid4())}
    tried = 0
    for (method, path), roles in route_roles(app).items():
        if not is_of_search(path) or roles is None or Role.USER not in roles:
            continue
        filled = {"network_id": uuid4(), "name": "front", "part": "state", "action": "stop"} | ids
        call = (method, path.format(**filled))
        client = http if is_rest(path) else session
        data = {} if is_rest(path) or method == "GET" else {"data": form}
        with client.stream(*call, **data) as answer:
            status = answer.status_code
        reads = method in ("GET", "HEAD")
        wants = reads_shared(method, path)
        assert wants == ("yes" if reads else "")
        assert (status not in (403, 404) or "export" in path) if reads else status == 403, call
        tried += 1
    assert tried >= 30
    after = owner.http.get(f"/v1/searches/{search_id}").json()
    assert after | {"now": 0, "used": 0} == before | {"now": 0, "used": 0}
    assert worker.http.get(f"/v1/searches/{search_id}").status_code == 403
    owner.http.patch(f"/v1/searches/{search_id}", json={"shared": False})
    assert http.get(f"/v1/searches/{search_id}").status_code == 404


def test_an_admin_sees_everybodys_searches(person, world):
    search_id = world.search(person().caller)
    assert person(Role.ADMIN).http.get(f"/v1/searches/{search_id}").status_code == 200


def test_guessing_is_slowed_down(visit):
    client = visit()
    wrong = {"Authorization": "Bearer netmorph_wrong"}
    codes = [client.get("/v1/searches", headers=wrong).status_code for _ in range(25)]
    assert codes[:19] == [401] * 19
    assert codes[-1] == 429
    refused = client.get("/v1/searches", headers=wrong)
    assert refused.headers["retry-after"] == "60"
    assert is_problem(refused)


def test_keys_are_shown_once_and_kept_hashed(person, world):
    admin = person(Role.ADMIN).http
    made = admin.post("/v1/keys", json={"name": "laptop", "role": "user"})
    assert made.status_code == 201
    key = made.json()["key"]
    assert key not in admin.get("/v1/keys").text
    with world.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM keys").all()
    assert key not in str(stored)


def test_every_answer_has_the_headers_that_browsers_obey(person):
    for path in ("/healthz", "/v1/searches", "/nowhere", "/sign-in"):
        headers = person().http.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


def test_other_host_names_are_refused(visit):
    assert visit().get("/healthz", headers={"Host": "evil.example"}).status_code == 400
