"""The trained model of a search."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.edge import downloads
from api.edge.dependencies import CallerDep, SessionDep, StorageDep

_ZIP: dict[int | str, Any] = {200: {"content": {"application/zip": {}}}}
router = APIRouter(prefix="/v1/searches", tags=["searches"])


@router.get("/{search_id}/export", response_class=StreamingResponse, responses=_ZIP)
def download_export(
    search_id: UUID, caller: CallerDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """Download the exported model as a zip file; 404 until the final fit has ended."""
    return downloads.export(session, storage, caller, search_id)
