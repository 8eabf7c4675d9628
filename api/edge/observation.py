"""What is noted of every request: how long it took, and an id that its log lines have."""

import re
import time
from collections.abc import Iterator
from contextvars import ContextVar
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.instruments import HTTP_REQUEST

_HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
#: Parts of a path that log lines of the request name.
_NAMED = ("search_id", "trial_id")
_current: ContextVar[Scope | None] = ContextVar("request", default=None)


class RequestObservation:
    """ASGI middleware that measures requests and gives each an id, which the response names.

    A client or a proxy may send an id of 8 to 64 letters, digits, dots, dashes and underscores as
    `X-Request-ID`; other requests get a new one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; observe the beginning of its response, or its failure."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, answered = begin(scope), False

        async def observed(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                observe(scope, message["status"], started)
                message["headers"] = [*message["headers"], id_header(scope)]
            await send(message)

        try:
            await self.app(scope, receive, observed)
        except Exception:
            if not answered:
                observe(scope, 500, started)
            raise


def request_id() -> str | None:
    """The id of the current request; None outside of one."""
    scope = _current.get()
    return None if scope is None else str(scope["netmorph.request_id"])


def current_ids() -> dict[str, str]:
    """The ids of the current request: its own, and those of the search and trial in its path."""
    return dict(_ids(_current.get()))


def _ids(scope: Scope | None) -> Iterator[tuple[str, str]]:
    if scope is None:
        return
    parameters = scope.get("path_params", {})
    for name in _NAMED:
        if name in parameters:
            yield name, str(parameters[name])
    yield "request_id", scope["netmorph.request_id"]


def _id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == _HEADER]
    if len(given) == 1 and _ID.fullmatch(given[0]):
        return str(given[0].decode())
    return uuid4().hex


def begin(scope: Scope) -> float:
    """Give a request its id; returns the time, for `observe`."""
    scope["netmorph.request_id"] = _id(scope)
    _current.set(scope)  # not reset: the handler of failures runs outside of every middleware
    return time.perf_counter()


def id_header(scope: Scope) -> tuple[bytes, bytes]:
    """The header of the response that names the request."""
    return _HEADER, scope["netmorph.request_id"].encode()


def observe(scope: Scope, status: int, started: float) -> None:
    """Note the beginning of the response to a request."""
    HTTP_REQUEST.labels(_route(scope), f"{status // 100}xx").observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """The method and path of the route; one name for all others, as anybody may invent them."""
    route = scope.get("route")
    path, methods = getattr(route, "path", None), getattr(route, "methods", None) or ()
    return f"{scope['method']} {path}" if path and scope["method"] in methods else "other"
