"""Pages over all searches: the queue of trials, and the best networks of a data set."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import VisitorDep
from api.edge.dependencies import SessionDep
from api.pictures import comparison
from api.store import leaderboards, waiting_trials
from api.store.keys import Caller

router = APIRouter(route_class=PageRoute)

_MOST_WAITING = 200  # trials in the table of the queue


@router.get("/models")
def models_page(
    request: Request, visitor: VisitorDep, session: SessionDep, dataset: UUID | None = None
) -> HTMLResponse:
    """The tested networks of all searches on a data set, the best first."""
    known = leaderboards.datasets_with_networks(session, visitor.caller)
    chosen = dataset or (known[0][0] if known else None)
    found = [] if chosen is None else leaderboards.best(session, visitor.caller, chosen)
    ranked = comparison.by_metric(found)
    return page(request, "models.html", known=known, chosen=chosen, searches=found, ranked=ranked)


@router.get("/queue")
def queue_page(request: Request, visitor: VisitorDep, session: SessionDep) -> HTMLResponse:
    """The trials that wait for a worker, and why."""
    return page(request, "queue.html", **_queue(session, visitor.caller))


@router.get("/ui/queue")
def queue_fragment(request: Request, visitor: VisitorDep, session: SessionDep) -> HTMLResponse:
    """The table of waiting trials."""
    return page(request, "_queue.html", **_queue(session, visitor.caller))


def _queue(session: Session, caller: Caller) -> dict[str, Any]:
    waiting, total = waiting_trials.queue(session, caller, _MOST_WAITING)
    return {
        "waiting": waiting,
        "total": total,
        "capacity": waiting_trials.capacity(session),
    }
