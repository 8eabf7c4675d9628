"""The trained model of a search as a file."""

from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.store import trials
from api.store.keys import Caller
from core.protocol.storage import Storage

_CHUNK = 2**18  # bytes


def export(
    session: Session, storage: Storage, caller: Caller, search_id: UUID
) -> StreamingResponse:
    """The exported model as a zip file; NotFound until the final fit has ended."""
    blob = trials.export_of(session, caller, search_id)
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
