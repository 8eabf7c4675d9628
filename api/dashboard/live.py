"""What pages fetch while they are open: events of changes, figures, the exported model."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from api.dashboard.visitors import VisitorDep
from api.routes import events, exports, figures
from api.routes.dependencies import ChangesDep, SessionDep, StorageDep
from api.routes.figures import Theme

router = APIRouter()

LastId = Annotated[str | None, Header(max_length=32)]


@router.get("/ui/searches/{search_id}/events/stream")
async def search_events(
    request: Request,
    search_id: UUID,
    visitor: VisitorDep,
    changes: ChangesDep,
    last_event_id: LastId = None,
) -> StreamingResponse:
    """The changes of one search."""
    return await events.stream(request, visitor.caller, search_id, changes, last_event_id)


@router.get("/ui/events/stream")
async def all_events(
    request: Request, visitor: VisitorDep, changes: ChangesDep
) -> StreamingResponse:
    """An event at any change of any search; what a visitor sees of it, the fragments decide."""
    return await events.stream_any(request, changes)


@router.get("/ui/searches/{search_id}/figures/{name}")
def search_figure(
    search_id: UUID, name: str, visitor: VisitorDep, session: SessionDep, theme: Theme = "light"
) -> dict[str, Any]:
    """A figure of a search for Plotly."""
    return figures.of_search(session, visitor.caller, search_id, name, theme)


@router.get("/ui/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: UUID, visitor: VisitorDep, session: SessionDep, theme: Theme = "light"
) -> dict[str, Any]:
    """The curves of one trial for Plotly."""
    return figures.of_trial(session, visitor.caller, trial_id, theme)


@router.get("/searches/{search_id}/export")
def download(
    search_id: UUID, visitor: VisitorDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """The exported model."""
    return exports.download_export(search_id, visitor.caller, session, storage)
