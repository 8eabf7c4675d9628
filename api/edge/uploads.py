"""Uploads: the caller, its quota and its other uploads are checked before the body is read.

FastAPI would read a form to its end, into a temporary file, before it looks for a key.
"""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.store import quotas
from api.store.keys import Caller

_AT_ONCE = 4  # uploads of one caller to one process

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Uploads:
    """The uploads that one process receives at present: their announced bytes, by owner."""

    def __init__(self) -> None:
        self._announced: defaultdict[UUID, list[int]] = defaultdict(list)

    @contextmanager
    def reserve(self, caller: Caller, size: int) -> Iterator[int]:
        """Count an upload while it is received; yields the bytes of all uploads of the caller.

        Raises 429 where the caller has too many at once.
        """
        announced = self._announced[caller.key_id]
        if len(announced) >= _AT_ONCE:
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{_AT_ONCE} of your uploads are being received: wait until one has ended",
                {"Retry-After": "5"},
            )
        announced.append(size)
        try:
            yield sum(announced)
        finally:
            announced.remove(size)
            if not announced:
                del self._announced[caller.key_id]


def checked_first(handle: Handler, identify: Callable[[Request], Caller]) -> Handler:
    """The handler, called only for a caller that may upload the announced bytes.

    `identify` returns the caller, or raises what a request without one is answered with.
    """

    async def check_and_handle(request: Request) -> Response:
        caller = await run_in_threadpool(identify, request)
        uploads: Uploads = request.app.state.uploads
        with uploads.reserve(caller, _announced(request)) as size:
            await run_in_threadpool(_check_quota, request, caller, size)
            return await handle(request)

    return check_and_handle


def _announced(request: Request) -> int:
    """The bytes that the body may have: as announced, or the limit of an upload without length."""
    most: int = request.app.state.settings.max_upload_bytes
    length = request.headers.get("content-length", "")
    return min(int(length[:20]), most) if length.isascii() and length.isdecimal() else most


def _check_quota(request: Request, caller: Caller, size: int) -> None:
    state = request.app.state
    with state.sessions.begin() as session:
        quotas.check_bytes(session, caller, size, state.settings.owner_bytes)
