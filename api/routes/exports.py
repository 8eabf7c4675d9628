"""The trained model of a search."""

from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.routes.dependencies import CallerDep, SessionDep, StorageDep
from api.store import exports

router = APIRouter(prefix="/v1/searches", tags=["searches"])

_CHUNK = 2**18


@router.get("/{search_id}/export", response_class=StreamingResponse)
def download_export(
    search_id: UUID, caller: CallerDep, session: SessionDep, storage: StorageDep
) -> StreamingResponse:
    """The exported model as a zip file; 404 until the final fit has ended."""
    blob = exports.blob(session, caller, search_id)
    return StreamingResponse(
        _chunks(storage.open(blob)),
        media_type="application/zip",
        headers={
            "Content-Length": str(blob.bytes),
            "Content-Disposition": f'attachment; filename="netmorph-{search_id}.zip"',
            "ETag": f'"{blob.sha256}"',
        },
    )


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
