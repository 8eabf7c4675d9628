"""The page that shows a few searches side by side."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute, page
from api.dashboard.unchanged import FragmentRoute, of_version
from api.dashboard.visitors import VisitorDep
from api.edge.dependencies import SessionDep, ThemeName
from api.pictures import comparison
from api.pictures.plots import THEMES
from api.schemas.searches import SearchOut
from api.store import searches, trials
from api.store.keys import Caller
from core.errors import InvalidInput

router = APIRouter(route_class=PageRoute)
fragments = APIRouter(route_class=FragmentRoute)

ChosenQuery = Annotated[list[UUID], Query(alias="search", max_length=100, default_factory=list)]


@router.get("/compare")
def compare_page(
    request: Request, visitor: VisitorDep, session: SessionDep, chosen: ChosenQuery
) -> HTMLResponse:
    """The outcome, the settings that differ and the best so far of 2 to 5 searches."""
    try:
        found = _searches(session, visitor.caller, chosen)
    except InvalidInput as error:
        title, status = "Compare searches", HTTPStatus.UNPROCESSABLE_ENTITY
        return page(request, "error.html", status, title=title, detail=str(error))
    return page(request, "compare.html", **_values(found))


@fragments.get("/ui/compare")
def compare_fragment(
    request: Request, visitor: VisitorDep, session: SessionDep, chosen: ChosenQuery
) -> HTMLResponse:
    """The table of the page."""
    found = _searches(session, visitor.caller, chosen)
    return page(request, "_compare.html", **_values(found))


@router.get("/ui/compare/{name}")
def compare_figure(
    request: Request,
    name: Literal["figure", "fronts"],
    visitor: VisitorDep,
    session: SessionDep,
    chosen: ChosenQuery,
    metric: Annotated[str, Query(max_length=64)] = "",
    theme: ThemeName = "light",
) -> Response:
    """The best so far or the fronts of the searches with one metric, for Plotly.

    Without a metric it is that of the first search.
    """

    def make() -> Response:
        return JSONResponse(_figure(session, visitor.caller, chosen, name, metric, theme))

    first, *others = _ids(chosen)
    versions = [searches.version(session, visitor.caller, one) for one in others]
    return of_version(request, session, visitor.caller, first, make, beside=versions)


def _figure(
    session: Session, caller: Caller, chosen: list[UUID], name: str, metric: str, theme: str
) -> dict[str, Any]:
    found = searches.outlines(session, caller, _ids(chosen))
    known = comparison.by_metric(found)
    if (metric := metric or next(iter(known))) not in known:
        raise InvalidInput(f"no search has the metric {metric!r}; expected {' or '.join(known)}")
    points = {one.id: trials.with_value(session, one.id) for one in found}
    draw = comparison.figure if name == "figure" else comparison.fronts_figure
    return draw(found, points, THEMES[theme], metric)


def _searches(session: Session, caller: Caller, chosen: list[UUID]) -> list[SearchOut]:
    """The searches, in the order of the address; InvalidInput for too few or too many."""
    return searches.several(session, caller, _ids(chosen))


def _ids(chosen: list[UUID]) -> list[UUID]:
    ids = list(dict.fromkeys(chosen))
    if not comparison.LEAST <= len(ids) <= comparison.MOST:
        raise InvalidInput(
            f"found {len(ids)} chosen searches; expected {comparison.LEAST} to {comparison.MOST}: "
            "tick them in the list of searches"
        )
    return ids


def _values(found: list[SearchOut]) -> dict[str, Any]:
    groups = comparison.groups(found)
    leads = {index: group[0] for group in groups for index in group}  # a group has one colour
    return {
        "searches": found,
        "swatches": [leads[index] for index in range(len(found))],
        "differences": comparison.differences(found),
        "metrics": list(comparison.by_metric(found)),
        "seeds": [len(group) for group in groups if len(group) > 1],
        "query": "&".join(f"search={one.id}" for one in found),
    }


router.include_router(fragments)
