"""What pages fetch while they are open: events of changes, figures, the exported model."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from api import figures
from api.dashboard.visitors import VisitorDep
from api.routes import events, exports
from api.routes.dependencies import ChangesDep, SessionDep, StorageDep
from api.store import epochs, searches, trials

router = APIRouter()

LastId = Annotated[str | None, Header(max_length=32)]
Theme = Annotated[str, Query(max_length=16)]


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
    caller = visitor.caller
    search = searches.get(session, caller, search_id)
    listed = trials.listing(session, caller, search_id, limit=500).items
    curves = epochs.of_search(session, caller, search_id) if name == "learning-curves" else []
    return figures.build(name, search, listed, curves, theme)


@router.get("/ui/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: UUID, visitor: VisitorDep, session: SessionDep, theme: Theme = "light"
) -> dict[str, Any]:
    """The curves of one trial for Plotly."""
    trial = trials.get(session, visitor.caller, trial_id)
    curves = epochs.of_trial(session, visitor.caller, trial_id)
    search = searches.get(session, visitor.caller, trial.search_id)
    return figures.trial_curves(trial, curves, search.metric, theme)


@router.get("/searches/{search_id}/export")
def download(
    search_id: UUID, visitor: VisitorDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """The exported model."""
    return exports.download_export(search_id, visitor.caller, session, storage)
