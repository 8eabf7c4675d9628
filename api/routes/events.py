"""The changes of a search as they are committed."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.edge import event_streams
from api.edge.dependencies import CallerDep, ChangesDep, SearchId
from api.edge.event_streams import LastEventId

_EVENTS: dict[int | str, Any] = {200: {"content": {"text/event-stream": {}}}}
router = APIRouter(prefix="/v1/searches", tags=["searches"])


@router.get("/{search_id}/events", response_class=StreamingResponse, responses=_EVENTS)
async def search_events(
    request: Request,
    search_id: SearchId,
    caller: CallerDep,
    changes: ChangesDep,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Server-sent events: `change` at each change of the search, `end` after the last one.

    An event's id is the version of the search. A client that reconnects with `Last-Event-ID`
    gets the changes that it missed at once.
    """
    return await event_streams.of_search(request, caller, search_id, changes, last_event_id)
