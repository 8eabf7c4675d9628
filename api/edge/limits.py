"""Limits of requests, checked before anything reads them: their size, coding and strict JSON.

Python's JSON reader accepts NaN, duplicate keys and any depth; the database stores no NUL
character and no lone surrogate. All of these are refused here, once, with a reason. No library
does it: pydantic's reader accepts NaN, 200 levels and NUL, and takes the last of two equal keys.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from math import isinf
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.edge.errors import problem
from core.nesting import depth_of

JSON_BYTES = 2**20
JSON_DEPTH = 20
BODY_SECONDS = 30.0  # for a JSON body, and between two pieces of an upload
_UPLOAD_PATH = re.compile(r"/v1/datasets|/v1/networks|/ui/datasets|/ui/searches/[^/]+/enqueued")
_OTHER_CHARSET = re.compile(rb"charset\s*=(?!\s*\"?utf-?8\"?\s*(;|$))")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


class Refused(Exception):
    """The body is refused; the message says why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class RequestLimits:
    """ASGI middleware that refuses bodies that are too large, compressed, or not strict JSON."""

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self.app = app
        self.upload_bytes = upload_bytes + 2**20  # room for the form around the file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its body is counted and, where it is JSON, read and checked."""
        if scope["type"] != "http" or scope["method"] not in _BODY_METHODS:
            await self.app(scope, receive, send)
            return
        headers = _joined(scope["headers"])
        try:
            _check_coding(headers)
            if _UPLOAD_PATH.fullmatch(scope["path"]) and not _is_json(headers):
                _check_length(headers, self.upload_bytes)
                await self._pass_upload(scope, receive, send)
                return
            _check_length(headers, JSON_BYTES)
            body = await _read_in_time(receive, JSON_BYTES)
            if _is_json(headers) and body.strip():  # else the route says which fields are missing
                checked_json(body)
        except Refused as refused:
            await _answer(refused, scope, receive, send)
            return
        whole = {"type": "http.request", "body": body, "more_body": False}
        await self.app(scope, replayed(whole, receive), send)

    async def _pass_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on piece by piece; an answer to its remains gives way to the refusal."""
        body = _Counted(receive, self.upload_bytes)

        async def send_unless_refused(message: Message) -> None:
            if body.refused is None:
                await send(message)

        await self.app(scope, body, send_unless_refused)
        if body.refused is not None:
            raise body.refused


async def _answer(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    response: Response = problem(refused.status, str(refused), headers={"Connection": "close"})
    await response(scope, receive, send)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers in lower case; one that occurs twice has both values, as readers differ there."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        before = joined.get(name.lower())
        joined[name.lower()] = value.lower() if before is None else before + b"," + value.lower()
    return joined


def _is_json(headers: dict[bytes, bytes]) -> bool:
    return b"json" in headers.get(b"content-type", b"")


def _check_coding(headers: dict[bytes, bytes]) -> None:
    """Raise Refused for a compressed body, and for one whose text is said not to be UTF-8."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body unpacked, without Content-Encoding"
        )
    # Parsers of forms would try any codec of Python's, and some of those fail in their own ways.
    if _OTHER_CHARSET.search(headers.get(b"content-type", b"")):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as UTF-8")


def _check_length(headers: dict[bytes, bytes], limit: int) -> None:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)


def _too_slow() -> Refused:
    return Refused(
        HTTPStatus.REQUEST_TIMEOUT, f"no more of the body came within {BODY_SECONDS:g} seconds"
    )


def _too_large(limit: int) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")


async def _read_in_time(receive: Receive, limit: int) -> bytes:
    """The body; refused where it is too long or comes too slowly."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, limit)
    except TimeoutError:
        raise _too_slow() from None


async def _read(receive: Receive, limit: int) -> bytes:
    """The body; refused as soon as it is too long, whatever its header said."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(chunks)


def replayed(message: Message, receive: Receive) -> Receive:
    """A receive that returns the message that was received before, then those after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return message

    return replay


class _Counted:
    """A receive that disconnects once the body is longer than the limit, or comes too slowly."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        self._is_complete = False
        self.refused: Refused | None = None

    async def __call__(self) -> Message:
        if self._is_complete:  # the app only waits for the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
        except TimeoutError:
            self.refused = _too_slow()
            return {"type": "http.disconnect"}
        self._is_complete = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            self.refused = _too_large(self._limit)
            return {"type": "http.disconnect"}
        return message


def checked_json(body: bytes) -> Any:
    """The body's value; raises Refused unless it is strict JSON that the database can store."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from error
    if text.count("[") + text.count("{") > JSON_DEPTH and depth_of(body) > JSON_DEPTH:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body nests deeper than {JSON_DEPTH} levels")
    try:
        value = json.loads(
            text,
            parse_float=_finite,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not valid JSON: {error}") from error
    if "\\u" in text:  # as they are, JSON forbids NUL and UTF-8 forbids halves of pairs
        _check_texts(value)
    return value


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "a number is too large")
    return value


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice[:64]!r} occurs twice")
    return result


def _check_texts(value: Any) -> None:
    """Raise Refused for texts that Postgres cannot store: with NUL or a lone surrogate."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            stack.extend(one.keys())
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
        elif isinstance(one, str) and _NOT_STORABLE.search(one):
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY, "a text holds NUL or half a surrogate pair"
            )
