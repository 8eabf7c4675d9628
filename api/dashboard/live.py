"""Resources that open pages fetch: events of changes, figures, the exported model."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute
from api.dashboard.unchanged import FigureRoute, of_version
from api.dashboard.visitors import VisitorDep
from api.edge import downloads, event_streams
from api.edge.dependencies import ChangesDep, SessionDep, StorageDep, ThemeName
from api.edge.event_streams import LastEventId
from api.pictures import figures, front_figure
from api.pictures.plots import THEMES
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialDetail
from api.store import searches, trials

router = APIRouter()
drawn = APIRouter(route_class=FigureRoute)
files = APIRouter(route_class=PageRoute)  # a browser shows why there is none

EARLIER_FRONTS = 4  # behind the front of a search
_TIMED = {"timeline"}  # figures that also change with time


@router.get("/ui/searches/{search_id}/events/stream")
async def search_events(
    request: Request,
    search_id: UUID,
    visitor: VisitorDep,
    changes: ChangesDep,
    last_event_id: LastEventId = None,
    after: Annotated[str | None, Query(max_length=20)] = None,
) -> StreamingResponse:
    """The changes of one search, after the version that the page shows."""
    known = last_event_id or after
    return await event_streams.of_search(request, visitor.caller, search_id, changes, known)


@router.get("/ui/events/stream")
async def all_events(
    request: Request, visitor: VisitorDep, changes: ChangesDep
) -> StreamingResponse:
    """An event whenever any search changes; the page then reloads the visitor's own searches."""
    return await event_streams.of_any_search(request, changes)


@drawn.get("/ui/searches/{search_id}/figures/{name}")
def search_figure(
    request: Request,
    search_id: UUID,
    name: str,
    visitor: VisitorDep,
    session: SessionDep,
    theme: ThemeName = "light",
) -> Response:
    """A figure of a search for Plotly; the front has those of earlier searches behind it."""

    caller = visitor.caller

    def make() -> Response:
        return JSONResponse(figures.of_search(session, caller, search_id, name, theme))

    if name in _TIMED:
        return make()
    if name != "front":
        return of_version(request, session, caller, search_id, make)
    search = searches.outline(session, caller, search_id)
    earlier = searches.on_same_data(session, caller, search, EARLIER_FRONTS)

    def make_front() -> Response:
        return JSONResponse(_front(session, search, earlier, theme))

    versions = [(one.id, one.version) for one in earlier]
    return of_version(request, session, caller, search_id, make_front, beside=versions)


def _front(
    session: Session, search: SearchOut, earlier: list[SearchOut], theme: str
) -> dict[str, Any]:
    """The front of a search, with those of earlier searches behind it."""
    figure = front_figure.front(search, trials.points(session, search.id), THEMES[theme])
    behind = [(one, trials.with_value(session, one.id)) for one in earlier]
    return front_figure.with_earlier_fronts(figure, search, behind, THEMES[theme])


@drawn.get("/ui/trials/{trial_id}/figures/curves")
def trial_figure(
    trial_id: UUID, visitor: VisitorDep, session: SessionDep, theme: ThemeName = "light"
) -> dict[str, Any]:
    """The curves of one trial for Plotly."""
    return figures.of_trial(session, visitor.caller, trial_id, theme)


@router.get("/ui/trials/{trial_id}/json")
def trial_json(trial_id: UUID, visitor: VisitorDep, session: SessionDep) -> TrialDetail:
    """A trial with its architecture, as the REST interface gives it."""
    return trials.get(session, visitor.caller, trial_id)


@files.get("/searches/{search_id}/export")
def download(
    request: Request, search_id: UUID, visitor: VisitorDep, session: SessionDep, storage: StorageDep
) -> Response:
    """The exported model."""
    return downloads.export(session, storage, visitor.caller, search_id, request.headers)


router.include_router(drawn)
router.include_router(files)
