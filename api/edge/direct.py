"""Calls of workers, which reach their routes without the framework between them.

The routes are declared once, with FastAPI, which documents them. Finding a route and its parameters
through it costs more processor time than the call itself. So a call that is as it should be goes
straight to the function of its route; any other one takes the ordinary way, which has the answers
to what is wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, get_type_hints
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.edge import errors
from api.edge.dependencies import get_worker
from api.edge.limits import JSON_BODY
from api.store.keys import Caller

_ID = TypeAdapter(UUID)
_ID_AT = 4  # in the path /v1/worker/trials/{trial_id}/…, split at its slashes
_PARAMETER = "{trial_id}"


@dataclass(frozen=True, slots=True)
class _Call:
    """A route, and the names and types of the parameters of its function."""

    route: APIRoute
    body: type[BaseModel]
    caller: str  # the parameter that has the caller

    @classmethod
    def of(cls, route: APIRoute) -> "_Call":
        hints: dict[str, Any] = get_type_hints(route.endpoint)
        caller = next(name for name, hint in hints.items() if hint is Caller)
        return cls(route, hints["body"], caller)


class DirectCalls:
    """ASGI middleware that answers the calls of some routes itself: POST with a JSON body.

    `RequestLimits` must stand before it, which has read and checked the body.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._calls = {one.path: _Call.of(one) for one in routes if isinstance(one, APIRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of one of the routes; pass all other requests on."""
        found = self._found(scope) if JSON_BODY in scope and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        call, parameters = found
        scope["route"], scope["path_params"] = call.route, parameters  # for logs and metrics
        request = Request(scope, receive, send)
        try:
            caller = {call.caller: await get_worker(request, None)}
            answer = await call.route.endpoint(request=request, **parameters, **caller)
        except errors.ANSWERED as error:
            answer = errors.answer(request, error)
        await _send(answer, scope, receive, send)

    def _found(self, scope: Scope) -> tuple[_Call, dict[str, Any]] | None:
        """The call of a request and its parameters; None where another way must be taken."""
        parts = scope["path"].split("/")
        parameters: dict[str, Any] = {}
        try:
            if len(parts) > _ID_AT + 1:
                parameters["trial_id"] = _ID.validate_python(parts[_ID_AT])
                parts[_ID_AT] = _PARAMETER
            call = self._calls.get("/".join(parts))
            if call is None:
                return None
            parameters["body"] = call.body.model_validate(scope[JSON_BODY])
        except ValidationError:
            return None
        return call, parameters


async def _send(
    answer: Response | BaseModel | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the answer of a route: a response, a message as JSON, or nothing."""
    if isinstance(answer, Response):
        await answer(scope, receive, send)
        return
    status = HTTPStatus.NO_CONTENT if answer is None else HTTPStatus.OK
    body = b"" if answer is None else answer.model_dump_json().encode()
    headers = []
    if answer is not None:
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
