"""The trained models of searches, and of single trials."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from api.edge import downloads
from api.edge.dependencies import CallerDep, SearchId, SessionDep, StorageDep, TrialId
from api.edge.errors import documented
from api.schemas.exports import TrialExportOut
from api.store import trial_exports

_ONE = "one range of bytes, such as `bytes=1000-`; of several the answer is the whole file"
_ZIP: dict[int | str, Any] = {
    200: {"content": {"application/zip": {}}},
    206: {"description": "the part in `Content-Range`", "content": {"application/zip": {}}},
    304: {"description": "the file has an ETag in `If-None-Match`"},
    **documented(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
}
router = APIRouter(prefix="/v1")


def _documented(
    range_: Annotated[str | None, Header(alias="range", description=_ONE)] = None,
    if_range: Annotated[str | None, Header(description="the ETag that the range is of")] = None,
    if_match: Annotated[str | None, Header(description="ETags, one of which is wanted")] = None,
    if_none_match: Annotated[str | None, Header(description="ETags that are known")] = None,
) -> None:
    """Name the headers of downloads in the document; `downloads` reads them."""
    del range_, if_range, if_match, if_none_match


_conditional = [Depends(_documented)]


@router.get(
    "/searches/{search_id}/export",
    response_class=StreamingResponse,
    responses=_ZIP,
    dependencies=_conditional,
    tags=["searches"],
)
def download_export(
    request: Request,
    search_id: SearchId,
    caller: CallerDep,
    session: SessionDep,
    storage: StorageDep,
) -> Response:
    """Download the exported model as a zip file; 404 until the final fit has ended.

    A download that broke off goes on with `Range: bytes=N-` and `If-Range: "the ETag"`.
    """
    return downloads.export(session, storage, caller, search_id, request.headers)


@router.post("/trials/{trial_id}/export", status_code=HTTPStatus.ACCEPTED, tags=["trials"])
def order_trial_export(
    request: Request,
    response: Response,
    trial_id: TrialId,
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
def get_trial_export(trial_id: TrialId, caller: CallerDep, session: SessionDep) -> TrialExportOut:
    """Get how far the export of a trial is; 404 where none was ordered."""
    return trial_exports.state(session, caller, trial_id)


@router.get(
    "/trials/{trial_id}/export/file",
    response_class=StreamingResponse,
    responses=_ZIP,
    dependencies=_conditional,
    tags=["trials"],
)
def download_trial_export(
    request: Request, trial_id: TrialId, caller: CallerDep, session: SessionDep, storage: StorageDep
) -> Response:
    """Download the exported model of a trial as a zip file; 404 until its export is completed.

    Ranges and conditions are those of the export of a search.
    """
    return downloads.trial_export(session, storage, caller, trial_id, request.headers)
