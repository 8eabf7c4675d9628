"""Calls of workers, which reach their routes without the framework and most middleware between.

The routes are declared once, with FastAPI, which documents them. Finding a route and its parameters
through it costs more processor time than the call itself, and each middleware costs some. So a call
that is as it should be goes straight to the function of its route; any other one takes the ordinary
way, which has the answers to what is wrong with it.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, get_type_hints
from uuid import UUID

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge import errors, observation
from api.edge.dependencies import get_worker
from api.edge.headers import HEADERS, protect
from api.edge.limits import JSON_BYTES, Refused, checked_json, replayed
from api.store.keys import Caller
from core.protocol import tracing

_ID = TypeAdapter(UUID)
_ID_AT = 4  # in the path /v1/worker/trials/{trial_id}/…, split at its slashes
_PARAMETER = "{trial_id}"
_JSON = (b"content-type", b"application/json")
_BODY_SECONDS = 5.0  # for the body of a call, which comes with its head


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

    It stands before all others, and does what they do: it checks the host and the body, measures
    the call, and adds the headers of every response. Nothing is direct while calls are traced.
    """

    def __init__(
        self, app: ASGIApp, routes: Sequence[BaseRoute], allowed_hosts: Collection[str]
    ) -> None:
        self._app = app
        self._calls = {one.path: _Call.of(one) for one in routes if isinstance(one, APIRoute)}
        self._hosts = frozenset(host.encode() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of one of the routes; pass all other requests on."""
        found = self._found(scope)
        if found is not None:
            message = await _received(receive)
            call, parameters = found
            if message is not None and (body := _body(call, message)) is not None:
                await _answer(call, {**parameters, "body": body}, scope, send)
                return
            if message is not None:
                receive = replayed(message, receive)
        await self._app(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[_Call, dict[str, Any]] | None:
        """The call of a request and its parameters; None where another way must be taken."""
        if scope["type"] != "http" or scope["method"] != "POST" or tracing.is_on():
            return None
        parts = scope["path"].split("/")
        parameters: dict[str, Any] = {}
        if len(parts) > _ID_AT + 1:
            trial, parts[_ID_AT] = parts[_ID_AT], _PARAMETER
            try:
                parameters["trial_id"] = _ID.validate_python(trial)
            except ValidationError:
                return None
        call = self._calls.get("/".join(parts))
        return (call, parameters) if call and self._is_plain(scope["headers"]) else None

    def _is_plain(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether a request has JSON of a known length for a host of this service."""
        given = dict(headers)
        length = given.get(b"content-length", b"")
        host = given.get(b"host", b"").split(b":")[0]
        return (
            len(given) == len(headers)
            and given.get(b"content-type") == b"application/json"
            and b"content-encoding" not in given
            and length.isdigit()
            and int(length[:20]) <= JSON_BYTES
            and (host in self._hosts or b"*" in self._hosts)
        )


async def _received(receive: Receive) -> Message | None:
    """The first message of a request; None where it does not come at once."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await receive()
    except TimeoutError:
        return None


def _body(call: _Call, message: Message) -> BaseModel | None:
    """The body of a call; None where it is not whole or not as it should be."""
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    body = message.get("body", b"")
    try:
        return call.body.model_validate(checked_json(body)) if len(body) <= JSON_BYTES else None
    except (Refused, ValidationError):
        return None


async def _answer(call: _Call, parameters: dict[str, Any], scope: Scope, send: Send) -> None:
    """Call the function of a route and send its answer."""
    scope["route"], scope["path_params"] = call.route, parameters  # for logs and metrics
    started = observation.begin(scope)
    request = Request(scope)
    try:
        caller = {call.caller: await get_worker(request, None)}
        answer: Any = await call.route.endpoint(request=request, **parameters, **caller)
    except errors.ANSWERED as error:
        answer = errors.answer(request, error)
    except Exception:  # the application answers it, outside of every middleware
        observation.observe(scope, HTTPStatus.INTERNAL_SERVER_ERROR, started)
        raise
    await _send(answer, scope, started, send)


async def _send(
    answer: Response | BaseModel | None, scope: Scope, started: float, send: Send
) -> None:
    """Send the answer of a route: a response, a message as JSON, or nothing."""
    if isinstance(answer, Response):
        protect(answer)
        status, headers, body = answer.status_code, answer.raw_headers, bytes(answer.body)
    elif answer is None:
        status, headers, body = HTTPStatus.NO_CONTENT, HEADERS, b""
    else:
        body = answer.model_dump_json().encode()
        length = (b"content-length", b"%d" % len(body))
        status, headers = HTTPStatus.OK, [length, _JSON, *HEADERS]
    observation.observe(scope, status, started)
    headers = [*headers, observation.id_header(scope)]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
