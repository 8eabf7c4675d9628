"""The export of one trial: ordered by a form, downloaded as a file."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from api.dashboard.rendering import PageRoute
from api.dashboard.visitors import SenderDep, VisitorDep
from api.edge import downloads
from api.edge.dependencies import SessionDep, StorageDep
from api.store import trial_exports

router = APIRouter(route_class=PageRoute)


@router.get("/trials/{trial_id}/export")
def export_address(trial_id: UUID, visitor: VisitorDep) -> RedirectResponse:
    """The address that the form sends to leads to the page that has it."""
    return _to_trial(trial_id)


@router.post("/trials/{trial_id}/export")
def order_export(
    request: Request,
    trial_id: UUID,
    visitor: SenderDep,
    session: SessionDep,
    storage: StorageDep,
) -> RedirectResponse:
    """Have a trial exported."""
    trial_exports.order(
        session,
        visitor.caller,
        trial_id,
        most=request.app.state.settings.owner_trials,
        is_intact=partial(downloads.is_intact, storage),
    )
    return _to_trial(trial_id)


@router.get("/trials/{trial_id}/export/file")
def download_export(
    request: Request, trial_id: UUID, visitor: VisitorDep, session: SessionDep, storage: StorageDep
) -> Response:
    """The exported model of a trial."""
    return downloads.trial_export(session, storage, visitor.caller, trial_id, request.headers)


def shown(session: Session, trial_id: UUID) -> dict[str, Any]:
    """The export of a trial that the visitor may see, or why it can have none, for its page."""
    export, refusal = trial_exports.of_trial(session, trial_id)
    return {"export": export, "refusal": refusal}


def _to_trial(trial_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"/trials/{trial_id}", HTTPStatus.SEE_OTHER)
