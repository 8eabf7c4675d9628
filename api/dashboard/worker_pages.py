"""The pages of the workers: all of them, and what one has trained."""

from http import HTTPStatus
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.dashboard.pages import CursorQuery
from api.dashboard.rendering import PageRoute, page
from api.dashboard.visitors import SenderDep, VisitorDep
from api.edge.dependencies import SessionDep
from api.store import clock, worker_histories, workers

router = APIRouter(route_class=PageRoute)

_TRIALS = 25  # on a page of a worker


@router.get("/workers")
@router.get("/ui/workers")
def workers_page(request: Request, visitor: VisitorDep, session: SessionDep) -> HTMLResponse:
    """The workers."""
    listed = workers.listing(session, visitor.caller)
    return page(
        request,
        _template(request, "workers.html"),
        workers=listed,
        trained=workers.trained(session, listed),
        now=clock.now(session),
    )


@router.get("/workers/{worker_id}")
@router.get("/ui/workers/{worker_id}")
def worker_page(
    request: Request,
    worker_id: UUID,
    visitor: VisitorDep,
    session: SessionDep,
    cursor: CursorQuery = None,
) -> HTMLResponse:
    """One worker: its speed, its failures, and the trials that it trained."""
    found = workers.get(session, visitor.caller, worker_id)
    listed = worker_histories.listing(
        session, visitor.caller, worker_id, limit=_TRIALS, cursor=cursor or None
    )
    return page(
        request,
        _template(request, "worker.html"),
        worker=found,
        trained=workers.trained(session, [found]),
        trials=listed.items,
        cursor=cursor or "",
        next_cursor=listed.next_cursor,
        now=clock.now(session),
    )


def _template(request: Request, name: str) -> str:
    """The template of a page; at an address below `/ui` that of the part that changes."""
    return f"_{name}" if request.scope["path"].startswith("/ui/") else name


@router.get("/workers/{worker_id}/{action}")
def action_address(
    worker_id: UUID, action: Literal["drain", "undrain"], visitor: VisitorDep
) -> RedirectResponse:
    """Redirect the addresses of the forms to the page of the worker."""
    return RedirectResponse(f"/workers/{worker_id}", HTTPStatus.SEE_OTHER)


@router.post("/workers/{worker_id}/{action}")
def act_on_worker(
    worker_id: UUID, action: Literal["drain", "undrain"], visitor: SenderDep, session: SessionDep
) -> RedirectResponse:
    """Give a worker no more trials, or trials again."""
    if not visitor.caller.is_admin:
        raise HTTPException(HTTPStatus.FORBIDDEN, "only an admin drains workers: ask one")
    workers.drain(session, visitor.caller, worker_id, draining=action == "drain")
    return RedirectResponse("/workers", HTTPStatus.SEE_OTHER)
