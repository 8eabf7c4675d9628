"""The report of a search: the file that `netmorph report` writes, made by the service itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute
from api.dashboard.search_form import request_of
from api.dashboard.unchanged import of_content, of_version
from api.dashboard.visitors import VisitorDep
from api.edge.dependencies import SessionDep
from api.pictures import figures
from api.store import datasets, searches, trial_tables
from api.store.errors import NotFound
from api.store.keys import Caller
from api.store.trial_tables import Arrangement
from core.protocol.states import LIVE_SEARCH

if TYPE_CHECKING:
    from netmorph.answers import Dataset, Search, Trial

router = APIRouter(route_class=PageRoute)


@router.get("/searches/{search_id}/report")
def download_report(
    request: Request, search_id: UUID, visitor: VisitorDep, session: SessionDep
) -> Response:
    """One HTML file to keep or to send: outcome, figures, lineage, settings, all trials.

    That of an ended search is made again only where something other than the time has changed.
    """
    from netmorph import html_report  # noqa: PLC0415 (the service needs nothing else of it)
    from netmorph.report import plain_name  # noqa: PLC0415

    search = searches.get(session, visitor.caller, search_id)
    found = cast("Search", search.model_dump(mode="json"))
    try:
        dataset = datasets.get(session, visitor.caller, search.dataset.id).model_dump(mode="json")
        rows = html_report.dataset_rows(cast("Dataset", dataset))
    except NotFound:  # a search that is shared without its data set
        rows = [("name", search.dataset.name)]

    def make() -> HTMLResponse:
        source = _Stored(session, visitor.caller)
        text = html_report.page(source, found, rows, request_of(search))
        headers = {"Content-Disposition": f'attachment; filename="{plain_name(found)}.html"'}
        return HTMLResponse(text, headers=headers)

    if search.status in LIVE_SEARCH:  # its time passes
        return of_content(request, make())
    return of_version(request, session, visitor.caller, search_id, make, beside=rows)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a report shows, read from the database."""

    session: Session
    caller: Caller

    def trials(self, search_id: str) -> Iterator["Trial"]:
        for one in trial_tables.every(self.session, UUID(search_id), Arrangement()):
            yield cast("Trial", one.model_dump(mode="json"))

    def figure(self, search_id: str, name: str) -> dict[str, Any]:
        return figures.of_search(self.session, self.caller, UUID(search_id), name, "light")
