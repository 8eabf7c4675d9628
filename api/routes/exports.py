"""The trained models of searches, and of single trials."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.edge import downloads
from api.edge.dependencies import CallerDep, SessionDep, StorageDep
from api.schemas import TrialExportOut
from api.store import trial_exports

_ZIP: dict[int | str, Any] = {200: {"content": {"application/zip": {}}}}
router = APIRouter(prefix="/v1")


@router.get(
    "/searches/{search_id}/export",
    response_class=StreamingResponse,
    responses=_ZIP,
    tags=["searches"],
)
def download_export(
    search_id: UUID, caller: CallerDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """Download the exported model as a zip file; 404 until the final fit has ended."""
    return downloads.export(session, storage, caller, search_id)


@router.post("/trials/{trial_id}/export", status_code=HTTPStatus.ACCEPTED, tags=["trials"])
def order_trial_export(
    request: Request,
    response: Response,
    trial_id: UUID,
    caller: CallerDep,
    session: SessionDep,
    storage: StorageDep,
) -> TrialExportOut:
    """Have the network of a trial exported, with its weights as the search has trained them.

    A worker tests it once and makes the file that a search has of its winner. Its search may run,
    be paused or have ended. The same order again changes nothing, unless the export has failed or
    its file is damaged. 409 where the trial has no weights.
    """
    ordered = trial_exports.order(
        session,
        caller,
        trial_id,
        most=request.app.state.settings.owner_trials,
        is_intact=partial(downloads.is_intact, storage),
    )
    response.headers["Location"] = f"/v1/trials/{trial_id}/export"
    return ordered


@router.get("/trials/{trial_id}/export", tags=["trials"])
def get_trial_export(trial_id: UUID, caller: CallerDep, session: SessionDep) -> TrialExportOut:
    """Get how far the export of a trial is; 404 where none was ordered."""
    return trial_exports.state(session, caller, trial_id)


@router.get(
    "/trials/{trial_id}/export/file",
    response_class=StreamingResponse,
    responses=_ZIP,
    tags=["trials"],
)
def download_trial_export(
    trial_id: UUID, caller: CallerDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """Download the exported model of a trial as a zip file; 404 until its export is completed."""
    return downloads.trial_export(session, storage, caller, trial_id)
