"""The trained models of searches and trials as files."""

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

from api.store import trial_exports, trials
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
    return _file(storage, blob, f"search {search_id}", f"netmorph-{search_id}.zip")


def trial_export(
    session: Session, storage: Storage, caller: Caller, trial_id: UUID
) -> StreamingResponse:
    """The exported model of one trial, as `export` that of a search."""
    found = trial_exports.state(session, caller, trial_id)
    blob = trial_exports.blob_of(session, caller, trial_id)
    name = f"netmorph-{found.search_id}-trial-{found.number}.zip"
    again = " or order the export again"
    return _file(storage, blob, f"trial {found.number}", name, again)


def _file(
    storage: Storage, blob: BlobRef, owner: str, name: str, advice: str = ""
) -> StreamingResponse:
    """The response with a file of exports; `owner` is the search or the trial that has it."""
    try:
        checked = _checked(storage, blob)
    except (BlobError, OSError) as error:
        log.error("the export of the %s cannot be served: %s", owner, error)
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the exported model of the {owner} is damaged or missing in storage: "
            f"{error}; have an admin restore {blob.key} from a backup{advice}",
        ) from error
    return StreamingResponse(
        _chunks(checked),
        media_type="application/zip",
        headers={
            "Content-Length": str(blob.bytes),
            "Content-Disposition": f'attachment; filename="{name}"',
            "ETag": f'"{blob.sha256}"',
        },
    )


def is_intact(storage: Storage, blob: BlobRef) -> bool:
    """Whether storage has the file as it was written; one that cannot be reached may have it."""
    try:
        storage.check(blob)
    except BlobError:
        return False
    except OSError as error:
        log.warning("storage cannot be read: %s", error)
    return True


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
