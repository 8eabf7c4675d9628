"""The trained model of a search as a file."""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from typing import IO
from uuid import UUID

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from api.store import trials
from api.store.keys import Caller
from core.errors import BlobError, CorruptBlob
from core.protocol.contracts import BlobRef
from core.protocol.storage import Storage

log = logging.getLogger(__name__)

_CHUNK = 2**18  # bytes
_IN_MEMORY = 2**24  # bytes; a larger export is copied into a temporary file


def export(
    session: Session, storage: Storage, caller: Caller, search_id: UUID
) -> StreamingResponse:
    """The exported model as a zip file; NotFound until the final fit has ended.

    Raises 503 where storage has damaged or lost it: nothing is sent that was not checked.
    """
    blob = trials.export_of(session, caller, search_id)
    try:
        checked = _checked(storage, blob)
    except (BlobError, OSError) as error:
        log.error("an export cannot be served: %s", error, extra={"search_id": search_id})
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the exported model of the search {search_id} is damaged or missing in storage: "
            f"{error}; have an admin restore {blob.key} from a backup",
        ) from error
    return StreamingResponse(
        _chunks(checked),
        media_type="application/zip",
        headers={
            "Content-Length": str(blob.bytes),
            "Content-Disposition": f'attachment; filename="netmorph-{search_id}.zip"',
            "ETag": f'"{blob.sha256}"',
        },
    )


def _checked(storage: Storage, blob: BlobRef) -> IO[bytes]:
    """A copy of an export, read and checked to its end; raises CorruptBlob for any other bytes."""
    if not blob.key.startswith("exports/"):
        raise CorruptBlob(f"found {blob.key}; expected a blob of kind exports")
    copy = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (the response closes it)
    try:
        _copy(storage, blob, copy)
    except BaseException:
        copy.close()
        raise
    return copy


def _copy(storage: Storage, blob: BlobRef, to: IO[bytes]) -> None:
    """Copy the bytes of a blob, check them, and go back to the first."""
    found = hashlib.sha256()
    with storage.open(blob) as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            to.write(chunk)
    if (size := to.tell()) != blob.bytes or found.hexdigest() != blob.sha256:
        raise CorruptBlob(
            f"{blob.key} has {size} bytes and the hash {found.hexdigest()[:12]}…, "
            f"expected {blob.bytes} bytes and {blob.sha256[:12]}…"
        )
    to.seek(0)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
