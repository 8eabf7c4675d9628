"""Uploads: the caller, its quota and its other uploads are checked before the body is read.

FastAPI would read a form to its end, into a temporary file, before it looks for a key. An upload
that is imported in the background counts until its import has ended.
"""

import io
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any, BinaryIO
from uuid import UUID

from fastapi import HTTPException, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.edge.operations import Operations
from api.edge.preferences import prefers_async
from api.store import quotas
from api.store.keys import Caller

_AT_ONCE = 4  # uploads of one caller to one process

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Uploads:
    """The uploads that one process receives at present: their announced bytes, by owner."""

    def __init__(self) -> None:
        self._announced: defaultdict[UUID, list[int]] = defaultdict(list)
        self._lock = threading.Lock()  # imports in the background end in threads of their own

    @contextmanager
    def reserve(self, caller: Caller, size: int) -> Iterator[int]:
        """Count an upload until its import ends; yields the bytes of all uploads of the caller.

        Raises 429 where the caller has too many at once.
        """
        counted = self._add(caller.key_id, size)
        try:
            yield counted
        finally:
            self._remove(caller.key_id, size)

    def _add(self, owner: UUID, size: int) -> int:
        with self._lock:
            announced = self._announced[owner]
            if len(announced) >= _AT_ONCE:
                raise HTTPException(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{_AT_ONCE} of your imports are being received or carried out: wait until one "
                    "has ended",
                    {"Retry-After": "5"},
                )
            announced.append(size)
            return sum(announced)

    def _remove(self, owner: UUID, size: int) -> None:
        with self._lock:
            self._announced[owner].remove(size)
            if not self._announced[owner]:
                del self._announced[owner]


def checked_first(handle: Handler, identify: Callable[[Request], Caller]) -> Handler:
    """The handler, called only for a caller that may upload the announced bytes.

    `identify` returns the caller, or raises what a request without one is answered with. What the
    upload reserves is in `request.state.held`: released with the answer, unless the handler takes
    it over.
    """

    async def check_and_handle(request: Request) -> Response:
        caller = await run_in_threadpool(identify, request)
        uploads: Uploads = request.app.state.uploads
        with ExitStack() as held:
            size = held.enter_context(uploads.reserve(caller, _announced(request)))
            await run_in_threadpool(_check_quota, request, caller, size)
            if prefers_async(request.headers):
                operations: Operations = request.app.state.operations
                operations.require_room()
            request.state.held = held
            return await handle(request)

    return check_and_handle


def outliving(upload: UploadFile, held: ExitStack) -> BinaryIO:
    """The file of an upload; it is closed with `held`, and no longer with the request."""
    file, upload.file = upload.file, io.BytesIO()
    held.callback(file.close)
    return file


def _announced(request: Request) -> int:
    """The bytes that the body may have: as announced, or the limit of an upload without length."""
    most: int = request.app.state.settings.max_upload_bytes
    length = request.headers.get("content-length", "")
    return min(int(length[:20]), most) if length.isascii() and length.isdecimal() else most


def _check_quota(request: Request, caller: Caller, size: int) -> None:
    state = request.app.state
    with state.sessions.begin() as session:
        quotas.check_bytes(session, caller, size, state.settings.owner_bytes)
