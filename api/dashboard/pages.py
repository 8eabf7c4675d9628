"""Pages of searches, trials and data sets, and the fragments that refresh them."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup
from sqlalchemy.orm import Session

from api.dashboard import trial_exports
from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import Visitor, VisitorDep
from api.edge.dependencies import SessionDep
from api.imports import intake_rules
from api.pictures import drawing
from api.schemas.trials import TrialDetail
from api.store import clock, datasets, epochs, operations, searches, trials, workers
from api.store.keys import Caller
from core.data.formats import FORMATS
from core.data.layouts import LAYOUTS
from core.errors import NetmorphError
from core.graph.architecture import Architecture

router = APIRouter(route_class=PageRoute)

_PAGE = 25
_IMPORTS = 20  # that the page of data sets lists

CursorQuery = Annotated[str | None, Query(max_length=512)]


@router.get("/")
def searches_page(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """All searches."""
    listed = searches.listing(session, visitor.caller, limit=_PAGE, cursor=cursor)
    return page(
        request,
        "searches.html",
        searches=listed.items,
        next_cursor=listed.next_cursor,
        cursor=cursor or "",
    )


@router.get("/ui/searches")
def searches_fragment(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """The table of searches."""
    cursor = cursor or None
    listed = searches.listing(session, visitor.caller, limit=_PAGE, cursor=cursor)
    return page(request, "_searches.html", searches=listed.items)


@router.get("/trials/{trial_id}")
def trial_page(
    request: Request, trial_id: UUID, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """One trial: its architecture with what changed, and its curves."""
    return page(request, "trial.html", **_trial(session, visitor.caller, trial_id))


@router.get("/ui/trials/{trial_id}/facts")
def trial_fragment(
    request: Request, trial_id: UUID, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """The state and the result of a trial."""
    return page(request, "_facts.html", **_trial(session, visitor.caller, trial_id))


def _trial(session: Session, caller: Caller, trial_id: UUID) -> dict[str, Any]:
    trial = trials.get(session, caller, trial_id)
    return {
        "trial": trial,
        "search": searches.get(session, caller, trial.search_id),
        "epochs": [
            one
            for one in epochs.of_trial(session, caller, trial_id)
            if one.attempt == trial.attempt
        ],
        "graph": _graph(trial),
        "worker_is_known": workers.is_known(session, trial.worker_id),
        **trial_exports.shown(session, trial_id),
    }


def _graph(trial: TrialDetail) -> Markup:
    """The drawing of a trial's architecture; a sentence where another release wrote it."""
    try:
        architecture = Architecture.from_json(trial.architecture)
        parent = trial.parent_architecture and Architecture.from_json(trial.parent_architecture)
    except NetmorphError as error:
        return Markup("This architecture cannot be drawn: {}").format(error)
    return drawing.architecture_svg(architecture, parent or None)


@router.get("/data-sets")
def datasets_page(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """The data sets, and the form to upload one."""
    return show_datasets(request, visitor, session, cursor=cursor)


def show_datasets(
    request: Request,
    visitor: Visitor,
    session: Session,
    *,
    cursor: str | None = None,
    values: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The page of data sets; the form keeps its values and shows its errors."""
    return page(
        request,
        "datasets.html",
        status,
        **_datasets(session, visitor.caller, cursor),
        intake=intake_rules(request.app.state.settings.max_upload_bytes),
        layouts=LAYOUTS,
        values=values or {},
        errors=errors or {},
    )


@router.get("/ui/data-sets")
def datasets_fragment(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """The imports that run, and the table of data sets."""
    values = _datasets(session, visitor.caller, cursor or None)
    return page(request, "_datasets.html", **values)


def _datasets(session: Session, caller: Caller, cursor: str | None) -> dict[str, Any]:
    """The data sets of a page; the first page also has the imports."""
    listed = datasets.listing(session, caller, cursor=cursor)
    imports = [] if cursor else operations.recent(session, caller, _IMPORTS)
    return {
        "imports": imports,
        "reasons": {one.id: refusal(one.problem["detail"]) for one in imports if one.problem},
        "now": clock.now(session),
        "datasets": listed.items,
        "next_cursor": listed.next_cursor,
        "cursor": cursor or "",
    }


def refusal(message: str) -> str:
    """The reason why a file is no data set, without the list of formats, which the page has."""
    known = "; ".join(FORMATS[kind].description for kind in FORMATS)
    return message.replace(known, "one of those that this page lists")


@router.get("/ui/datasets")
def datasets_address(visitor: VisitorDep) -> RedirectResponse:
    """The address that the upload is sent to is that of all data sets, too."""
    return RedirectResponse("/data-sets", HTTPStatus.SEE_OTHER)
