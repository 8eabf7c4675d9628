"""The page of a search in tabs, and the fragments that each tab fetches to refresh itself.

The tab, the filter and the order are in the address: a refresh, a bookmark and the keys for back
and forward keep them, and all of it works without a script.
"""

import csv
import io
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute, page
from api.dashboard.search_parts import PARTS, SearchView
from api.dashboard.unchanged import FragmentRoute, of_version
from api.dashboard.visitors import Visitor, VisitorDep
from api.edge.dependencies import ArrangementDep, SessionDep
from api.schemas.trials import TrialOut
from api.store import searches, trial_tables
from api.store.trial_tables import Arrangement

router = APIRouter(route_class=PageRoute)
fragments = APIRouter(route_class=FragmentRoute)

Tab = Literal["overview", "trials", "lineage", "front", "surrogate", "log", "manage"]
TABS: tuple[Tab, ...] = get_args(Tab)

PageQuery = Annotated[int, Query(alias="page", ge=1, le=10_000)]
LineageQuery = Annotated[Literal["main", "all"], Query()]


@router.get("/searches/{search_id}")
def search_page(
    request: Request,
    search_id: UUID,
    visitor: VisitorDep,
    session: SessionDep,
    arrangement: ArrangementDep,
    tab: Tab = "overview",
    number: PageQuery = 1,
    lineage: LineageQuery = "main",
) -> HTMLResponse:
    """A tab of one search."""
    if tab == "manage":
        searches.require_change(session, visitor.caller, search_id)
    search = searches.get(session, visitor.caller, search_id)
    view = SearchView(session, search, number, lineage, arrangement)
    return _show(request, view, tab)


def show_search(
    request: Request,
    visitor: Visitor,
    session: Session,
    search_id: UUID,
    tab: Tab,
    *,
    values: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    """A tab with forms, which keep what was entered and show their errors."""
    search = searches.get(session, visitor.caller, search_id)
    view = SearchView(session, search, 1, "main", Arrangement(), values, errors)
    return _show(request, view, tab, status)


def _show(
    request: Request, view: SearchView, tab: Tab, status: int = HTTPStatus.OK
) -> HTMLResponse:
    values: dict[str, Any] = {}
    for part in _OF_TAB[tab]:
        values |= PARTS[part](view)
    name = f"search_{tab}.html"
    return page(request, name, status, search=view.search, tab=tab, tabs=TABS, **values)


@fragments.get("/ui/searches/{search_id}/{part}")
def search_fragment(
    request: Request,
    search_id: UUID,
    part: str,
    visitor: VisitorDep,
    session: SessionDep,
    arrangement: ArrangementDep,
    number: PageQuery = 1,
    lineage: LineageQuery = "main",
) -> Response:
    """A part of a search's page, such as its state or its trials."""
    if part not in _FRAGMENTS:
        return page(
            request, "error.html", 404, title="Not found", detail=f"there is no part {part!r}"
        )

    def make() -> HTMLResponse:
        read = searches.outline if part in _OF_TRIALS else searches.get
        search = read(session, visitor.caller, search_id)
        values = PARTS[part](SearchView(session, search, number, lineage, arrangement))
        return page(request, f"_{part}.html", search=search, **values)

    if part in _TIMED:
        return make()
    return of_version(request, session, visitor.caller, search_id, make)


@router.get("/searches/{search_id}/trials.csv")
def trials_table(
    request: Request,
    search_id: UUID,
    visitor: VisitorDep,
    session: SessionDep,
    arrangement: ArrangementDep,
) -> Response:
    """The trials that the table shows, on all its pages, as comma-separated values."""

    def make() -> Response:
        rows = trial_tables.every(session, search_id, arrangement)
        headers = {"Content-Disposition": f'attachment; filename="trials-{search_id}.csv"'}
        return Response(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)

    return of_version(request, session, visitor.caller, search_id, make)


_COLUMNS = (
    "number", "id", "kind", "status", "attempt", "value", "value_std", "validation_loss",
    "predicted_mean", "predicted_std", "parent_number", "inherited", "layers", "parameters",
    "flops", "latency", "epochs", "best_epoch", "seconds", "worker", "created_at", "started_at",
    "ended_at", "reason",
)  # fmt: skip


def _csv(rows: list[TrialOut]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([*_COLUMNS, "morphisms"])
    for row in rows:
        steps = "; ".join(step.text for step in row.morphisms)
        writer.writerow([*(_cell(getattr(row, name)) for name in _COLUMNS), _cell(steps)])
    return file.getvalue()


def _cell(value: Any) -> Any:
    """The value as a cell; text that a spreadsheet would run as a formula is marked as text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


#: The parts that each tab shows.
_OF_TAB: dict[Tab, tuple[str, ...]] = {
    tab: ("state", "running") if tab == "overview" else ("heading", tab) for tab in TABS
}
_FRAGMENTS = PARTS.keys() - {"manage"}  # what a person types there is never replaced
_TIMED = {"state", "heading", "running"}  # they also change with time
_OF_TRIALS = {"running", "trials", "lineage", "front", "surrogate"}  # an outline will do for them

router.include_router(fragments)
