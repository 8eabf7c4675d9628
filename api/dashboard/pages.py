"""The pages, and the fragments that they fetch to refresh themselves."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.builtins import BUILTINS
from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import Visitor, VisitorDep
from api.edge.dependencies import SessionDep
from api.imports import intake_rules
from api.pictures import drawing, fronts
from api.store import datasets, epochs, searches, trials, workers
from api.store.keys import Caller
from core.data.layouts import LAYOUTS
from core.graph.architecture import Architecture
from core.protocol.contracts import Cost
from core.search.strategies import STRATEGIES

router = APIRouter(route_class=PageRoute)

_PAGE = 25
_ALL_TRIALS = 500
_PARTS = ("state", "trials", "lineage", "front")

CursorQuery = Annotated[str | None, Query(max_length=512)]


@router.get("/")
def searches_page(
    request: Request,
    visitor: VisitorDep,
    session: SessionDep,
    cursor: CursorQuery = None,
    dataset: Annotated[str, Query(max_length=128)] = "",
) -> HTMLResponse:
    """All searches, and the form for a new one, which may name a data set."""
    return show_searches(request, visitor, session, cursor=cursor, values={"dataset": dataset})


def show_searches(
    request: Request,
    visitor: Visitor,
    session: Session,
    *,
    cursor: str | None = None,
    values: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The page of all searches; the form keeps its values and shows its errors."""
    listed = searches.listing(session, visitor.caller, limit=_PAGE, cursor=cursor)
    uploaded = [one for one in datasets.listing(session, visitor.caller).items if not one.builtin]
    return page(
        request,
        "searches.html",
        status,
        searches=listed.items,
        next_cursor=listed.next_cursor,
        cursor=cursor or "",
        builtins=sorted(BUILTINS),
        uploaded=uploaded,
        strategies=sorted(STRATEGIES),
        costs=list(Cost),
        values=values or {},
        errors=errors or {},
    )


@router.get("/ui/searches")
def searches_fragment(
    request: Request, visitor: VisitorDep, session: SessionDep, cursor: CursorQuery = None
) -> HTMLResponse:
    """The table of searches."""
    cursor = cursor or None
    listed = searches.listing(session, visitor.caller, limit=_PAGE, cursor=cursor)
    return page(request, "_searches.html", searches=listed.items)


@router.get("/searches/{search_id}")
def search_page(
    request: Request, search_id: UUID, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """One search."""
    return page(request, "search.html", **_search(session, visitor.caller, search_id))


@router.get("/ui/searches/{search_id}/{part}")
def search_fragment(
    request: Request, search_id: UUID, part: str, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """A part of a search's page: its state, its trials, its lineage, or its Pareto front."""
    name = f"_{part}.html"
    if part not in _PARTS:
        return page(request, "error.html", 404, title="Not Found", detail=f"no part {part!r}")
    return page(request, name, **_search(session, visitor.caller, search_id))


def _search(session: Session, caller: Caller, search_id: UUID) -> dict[str, Any]:
    listed = trials.listing(session, caller, search_id, limit=_ALL_TRIALS)
    search = searches.get(session, caller, search_id)
    return {
        "search": search,
        "front": search.cost and fronts.front(listed.items, search.cost),
        "trials": listed.items,
        "more": listed.next_cursor is not None,
        "lineage": drawing.lineage_svg(listed.items, search.task),
    }


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
    architecture = Architecture.from_json(trial.architecture)
    parent = trial.parent_architecture and Architecture.from_json(trial.parent_architecture)
    return {
        "trial": trial,
        "search": searches.get(session, caller, trial.search_id),
        "epochs": [
            one
            for one in epochs.of_trial(session, caller, trial_id)
            if one.attempt == trial.attempt
        ],
        "graph": drawing.architecture_svg(architecture, parent or None),
    }


@router.get("/data-sets")
def datasets_page(request: Request, visitor: VisitorDep, session: SessionDep) -> HTMLResponse:
    """The data sets, and the form to upload one."""
    return show_datasets(request, visitor, session)


def show_datasets(
    request: Request,
    visitor: Visitor,
    session: Session,
    *,
    values: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The page of data sets; the form keeps its values and shows its error."""
    listed = datasets.listing(session, visitor.caller)
    return page(
        request,
        "datasets.html",
        status,
        datasets=listed.items,
        intake=intake_rules(request.app.state.settings.max_upload_bytes),
        layouts=LAYOUTS,
        values=values or {},
        error=error,
    )


@router.get("/data-sets/{dataset_id}")
def dataset_page(
    request: Request, dataset_id: UUID, visitor: VisitorDep, session: SessionDep
) -> HTMLResponse:
    """One data set: how it was understood, and what may be wrong with it."""
    return page(request, "dataset.html", one=datasets.get(session, visitor.caller, dataset_id))


@router.get("/workers")
def workers_page(request: Request, visitor: VisitorDep, session: SessionDep) -> HTMLResponse:
    """The workers."""
    listed = workers.listing(session, visitor.caller)
    return page(request, "workers.html", workers=listed, now=workers.now(session))
