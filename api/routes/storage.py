"""The garbage in storage, for admins."""

from fastapi import APIRouter, Request

from api.controller.service import Controller
from api.edge.dependencies import AdminDep
from api.schemas.storage import CollectionIn, GarbageOut

router = APIRouter(prefix="/v1/storage", tags=["storage"])


@router.post(":collect")
def collect_garbage(request: Request, _: AdminDep, body: CollectionIn | None = None) -> GarbageOut:
    """Give up blobs that have no use any more; the answer says how much that is.

    Their files are removed after a grace time (`NETMORPH_DISCARD_SECONDS`). With `dry_run` nothing
    changes.
    """
    controller: Controller = request.app.state.controller
    found = GarbageOut.model_validate(controller.survey_garbage(), from_attributes=True)
    if not (body or CollectionIn()).dry_run:
        controller.collect_garbage()
    return found
