"""Server-sent events: one event for each committed change of a search."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError

from api.changes import POLL_SECONDS, Changes, wait
from api.db import unit_of_work
from api.routes.dependencies import CallerDep, ChangesDep
from api.store import searches
from api.store.errors import NotFound
from api.store.keys import Caller
from core.protocol.states import LIVE_SEARCH, SearchStatus

_ANY_PAUSE = 1.0  # seconds between two events of a list

router = APIRouter(prefix="/v1/searches", tags=["searches"])


@router.get("/{search_id}/events", response_class=StreamingResponse)
async def search_events(
    request: Request,
    search_id: UUID,
    caller: CallerDep,
    changes: ChangesDep,
    last_event_id: Annotated[str | None, Header(max_length=32)] = None,
) -> StreamingResponse:
    """An event `change` with the version as id at each change; `end` after the last.

    A client that comes back with `Last-Event-ID` hears at once of what it missed.
    """
    return await stream(request, caller, search_id, changes, last_event_id)


async def stream(
    request: Request,
    caller: Caller,
    search_id: UUID,
    changes: Changes,
    last_event_id: str | None,
) -> StreamingResponse:
    """The event stream of one search for an authorised caller."""
    if changes.full:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "too many listeners; poll instead", {"Retry-After": "5"}
        )
    known = int(last_event_id) if last_event_id and last_event_id.isdecimal() else -1
    await run_in_threadpool(_look, request, caller, search_id, known)  # 404 before the stream
    return StreamingResponse(
        _events(request, caller, search_id, changes, known),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    request: Request, caller: Caller, search_id: UUID, changes: Changes, known: int
) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    with changes.subscribe(search_id) as event:
        while not await request.is_disconnected():
            try:
                version, status = await run_in_threadpool(_look, request, caller, search_id, known)
            except NotFound:
                yield 'event: end\ndata: {"status": "deleted"}\n\n'
                return
            except DBAPIError:  # the client hears of changes when the database is back
                await wait(event, POLL_SECONDS)
                continue
            if version != known:
                known = version
                data = json.dumps({"version": version, "status": status})
                yield f"event: change\nid: {version}\ndata: {data}\n\n"
                if status not in LIVE_SEARCH:
                    yield f"event: end\nid: {version}\ndata: {data}\n\n"
                    return
            else:
                yield ": still here\n\n"
            await wait(event, POLL_SECONDS * 2)


async def stream_any(request: Request, changes: Changes) -> StreamingResponse:
    """An event `change` whenever any search changes; no data, as it may be another's."""

    async def ticks() -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        with changes.subscribe(None) as event:
            while not await request.is_disconnected():
                await wait(event, POLL_SECONDS * 2)
                yield "event: change\ndata: {}\n\n"
                await asyncio.sleep(_ANY_PAUSE)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(ticks(), media_type="text/event-stream", headers=headers)


def _look(
    request: Request, caller: Caller, search_id: UUID, known: int
) -> tuple[int, SearchStatus | None]:
    """The version of a search and, where it is not the known one, its status."""
    with unit_of_work(request.app.state.sessions) as session:
        version = searches.version(session, caller, search_id)
        if version == known:
            return version, None
        return version, searches.get(session, caller, search_id).status
