"""The matrix of routes and roles in `docs/security.md`, read from the application itself."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from api.app import create_app
from api.dashboard.visitors import get_visitor
from api.edge.dependencies import get_admin, get_user, get_worker
from api.roles import Role
from api.settings import Settings

_PEOPLE = frozenset({Role.USER, Role.ADMIN})
#: The roles that a guard lets through; a route without a guard is public.
GUARDS: dict[Callable[..., Any], frozenset[Role]] = {
    get_user: _PEOPLE,
    get_admin: frozenset({Role.ADMIN}),
    get_worker: frozenset({Role.WORKER}),
    get_visitor: _PEOPLE,
}


def route_roles(app: FastAPI) -> dict[tuple[str, str], frozenset[Role] | None]:
    """The roles that each method and path lets through; None where nobody is asked for a key."""
    return {
        (method, route.path): _roles(getattr(route, "dependant", None))
        for route in _routes(app.router)
        for method in sorted(getattr(route, "methods", None) or {"GET"})
    }


def matrix() -> str:
    """The table of all routes, those with the same roles together."""
    app = create_app(
        Settings(database_url="postgresql://d@localhost/d", broker_url="redis://localhost/0",
                 storage_url="file:///nowhere")
    )  # fmt: skip
    head = ["route", "no key", *Role, "user, shared search"]
    found = sorted(route_roles(app).items(), key=lambda item: item[0][::-1])  # by path
    rows = [
        [f"`{method} {path}`", *_marks(roles), reads_shared(method, path)]
        for (method, path), roles in found
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def is_of_search(path: str) -> bool:
    """Whether a route is of one search or one of its trials, for people."""
    is_one = "{search_id}" in path or "{trial_id}" in path
    return is_one and not path.startswith("/v1/worker/")


def reads_shared(method: str, path: str) -> str:
    """Whether users have a route of a search that another user shares: they read it alone."""
    return "yes" if is_of_search(path) and method in ("GET", "HEAD") else ""


def _marks(roles: frozenset[Role] | None) -> list[str]:
    if roles is None:
        return ["yes"] * (1 + len(Role))
    return ["", *("yes" if role in roles else "" for role in Role)]


def _roles(dependant: Dependant | None) -> frozenset[Role] | None:
    """The roles that all guards among the dependencies let through; None without a guard."""
    found = [GUARDS[call] for call in _calls(dependant) if call in GUARDS]
    return frozenset.intersection(*found) if found else None


def _calls(dependant: Dependant | None) -> Iterator[Callable[..., Any]]:
    if dependant is None:
        return
    if dependant.call is not None:
        yield dependant.call
    for one in dependant.dependencies:
        yield from _calls(one)


def _routes(router: Any) -> Iterator[Any]:
    """Every route, those of included routers too."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router)
        else:
            yield route
