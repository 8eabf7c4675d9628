"""Server-sent events: one event for each committed change of a search.

Neither sse-starlette nor FastAPI's EventSourceResponse: they would format events and send the
comments that keep a connection open, a few lines here. Which event is due, when the stream ends and
what a lost database means depend on the versions of searches, which neither knows.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Header, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError

from api.db import unit_of_work
from api.edge.authentication import has_access
from api.edge.changes import POLL_SECONDS, Changes, wait
from api.edge.parsing import version_in
from api.store import searches
from api.store.errors import NotFound
from api.store.keys import Caller
from core.protocol.states import LIVE_SEARCH, SearchStatus

LastEventId = Annotated[
    str | None, Header(description="id of the last event that came: a version of the search")
]

_ANY_PAUSE = 1.0  # seconds between two events of a list


@dataclass(frozen=True, slots=True)
class _View:
    """A search as its reader sees it; without access it sees nothing."""

    version: int
    status: SearchStatus


async def of_search(
    request: Request,
    caller: Caller,
    search_id: UUID,
    changes: Changes,
    last_event_id: str | None,
) -> StreamingResponse:
    """The changes of one search that the caller may see; NotFound before the stream begins."""
    _require_room(changes)
    await run_in_threadpool(_look, request, caller, search_id)
    known = version_in(last_event_id)
    return _streaming(_events(request, caller, search_id, changes, known))


async def of_any_search(request: Request, changes: Changes) -> StreamingResponse:
    """An event `change` whenever any search changes; without data, as it may be another's."""
    _require_room(changes)

    async def ticks() -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        with changes.subscribe(None) as event:
            while not changes.closing and await _is_open(request):
                await wait(event, POLL_SECONDS * 2)
                yield "event: change\ndata: {}\n\n"
                await asyncio.sleep(_ANY_PAUSE)

    return _streaming(ticks())


def _require_room(changes: Changes) -> None:
    """Raise 503 where too many requests listen already."""
    if changes.full:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many listeners: poll the search instead",
            {"Retry-After": "5"},
        )


def _streaming(events: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _is_open(request: Request) -> bool:
    """Whether the reader is still there, with a key or session that still opens."""
    if await request.is_disconnected():
        return False
    try:
        return await run_in_threadpool(_has_access, request)
    except DBAPIError:  # asked again at the next turn
        return True


def _has_access(request: Request) -> bool:
    with unit_of_work(request.app.state.sessions) as session:
        return has_access(request, session)


async def _events(
    request: Request, caller: Caller, search_id: UUID, changes: Changes, known: int | None
) -> AsyncIterator[str]:
    """The events of a search until it has ended, or the reader is gone or has no access more."""
    yield "retry: 2000\n\n"
    with changes.subscribe(search_id) as event:
        while not (changes.closing or await request.is_disconnected()):
            try:
                seen = await run_in_threadpool(_look, request, caller, search_id)
            except NotFound:
                yield 'event: end\ndata: {"status": "deleted"}\n\n'
                return
            except DBAPIError:  # the next look tells the client, once the database is back
                await wait(event, POLL_SECONDS)
                continue
            if seen is None:
                return  # a client that connects again is told why
            data = json.dumps({"version": seen.version, "status": seen.status})
            if seen.version != known:
                yield f"event: change\nid: {seen.version}\ndata: {data}\n\n"
            if seen.status not in LIVE_SEARCH:
                yield f"event: end\nid: {seen.version}\ndata: {data}\n\n"
                return
            if seen.version == known:
                yield ": still here\n\n"
            known = seen.version
            await wait(event, POLL_SECONDS * 2)


def _look(request: Request, caller: Caller, search_id: UUID) -> _View | None:
    """The version and the status of a search; None where the reader has no access more."""
    with unit_of_work(request.app.state.sessions) as session:
        if not has_access(request, session):
            return None
        return _View(*searches.state(session, caller, search_id))
