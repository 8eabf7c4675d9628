"""Parameters of routes: a transaction committed before its response, the caller by role."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.app import create_app
from api.db import will_wake
from api.edge.dependencies import (
    AdminDep,
    CallerDep,
    ChangesDep,
    Cursor,
    Limit,
    SessionDep,
    StorageDep,
    ThemeName,
    WorkerDep,
)
from api.roles import Role
from api.store import keys

_RENAME = text("UPDATE keys SET name = :name")


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """An application of this test alone, for routes of its own."""
    return create_app(app.state.settings)


@pytest.fixture
def probe(app: FastAPI) -> FastAPI:
    """The application with routes that do nothing but use their parameters."""

    @app.get("/probe/rename")
    def rename(session: SessionDep, name: str, wake: bool = False, fail: bool = False) -> str:
        session.execute(_RENAME, {"name": name})
        if wake:
            will_wake(session)
        if fail:
            raise RuntimeError("the route fails")
        return "renamed"

    @app.get("/probe/commit-fails")
    def commit_fails(session: SessionDep) -> str:
        for statement in (
            "CREATE TEMPORARY TABLE numbers (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO numbers VALUES (1), (1)",
        ):
            session.execute(text(statement))
        return "never sent"

    @app.get("/probe/user")
    def user(caller: CallerDep) -> str:
        return caller.name

    @app.get("/probe/admin")
    def admin(caller: AdminDep) -> str:
        return caller.name

    @app.get("/probe/worker")
    def worker(caller: WorkerDep) -> str:
        return caller.name

    @app.get("/probe/parts")
    def parts(storage: StorageDep, changes: ChangesDep) -> bool:
        return storage is app.state.storage and changes is app.state.changes

    @app.get("/probe/query")
    def query(limit: Limit = 100, cursor: Cursor = None, theme: ThemeName = "light") -> list[Any]:
        return [limit, cursor, theme]

    return app


@pytest.fixture
def client(probe: FastAPI, visit: Callable[[], httpx.Client]) -> httpx.Client:
    """A client of these routes without a key."""
    return visit()


@pytest.fixture
def name_of(world: Any) -> Any:
    """A key, and its name as it is stored now."""
    caller = world.caller()

    def read() -> str:
        with world.sessions.begin() as session:
            return next(key.name for key in keys.listing(session) if key.id == caller.key_id)

    return read


def test_a_request_is_one_transaction(client, name_of) -> None:
    assert client.get("/probe/rename", params={"name": "new"}).status_code == 200
    assert name_of() == "new"
    assert client.get("/probe/rename", params={"name": "lost", "fail": True}).status_code == 500
    assert name_of() == "new"


def test_a_commit_that_fails_is_no_success(client) -> None:
    """FastAPI's default would commit after the response."""
    answer = client.get("/probe/commit-fails")
    assert answer.status_code >= 400
    assert "never sent" not in answer.text


def test_the_controller_is_woken_only_where_a_route_asks_for_it(client, probe) -> None:
    woken = probe.state.controller._woken
    client.get("/probe/rename", params={"name": "new"})
    assert not woken.is_set()
    client.get("/probe/rename", params={"name": "new", "wake": True})
    assert woken.is_set()
    woken.clear()  # the failing request comes last, as the server closes the connection after it
    client.get("/probe/rename", params={"name": "new", "wake": True, "fail": True})
    assert not woken.is_set()


def test_a_caller_is_taken_by_role(client, world) -> None:
    taken = {"user": {Role.USER, Role.ADMIN}, "admin": {Role.ADMIN}, "worker": {Role.WORKER}}
    with world.sessions.begin() as session:
        made = {role: keys.create(session, "Ada", role).key for role in Role}
    for route, roles in taken.items():
        assert client.get(f"/probe/{route}").status_code == 401, route
        for role, key in made.items():
            answer = client.get(f"/probe/{route}", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == (200 if role in roles else 403), (route, role)
            assert role not in roles or answer.json() == "Ada"


def test_parts_of_the_application_are_its_own(client) -> None:
    assert client.get("/probe/parts").json() is True


def test_queries_keep_to_their_limits(client) -> None:
    good = ("", "limit=1&cursor=x&theme=dark", f"limit=500&cursor={'x' * 512}")
    bad = ("limit=0", "limit=501", "cursor=", f"cursor={'x' * 513}", "theme=blue", "theme=light%0A")
    for query in good + bad:
        expected = 200 if query in good else 422
        assert client.get(f"/probe/query?{query}").status_code == expected, query
