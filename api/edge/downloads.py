"""The trained models of searches and trials as files, in full or from a byte on.

Not Starlette's FileResponse: it refuses units of ranges that it does not know, which a server must
ignore, its refusals are no problem documents, and it reads the file again after the check.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO
from uuid import UUID

from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from api.edge import conditions
from api.store import trial_exports, trials
from api.store.keys import Caller
from core.errors import BlobError, CorruptBlob
from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import Storage

log = logging.getLogger(__name__)

_CHUNK = 2**18  # bytes
_IN_MEMORY = 2**24  # bytes; a larger export is copied into a temporary file


@dataclass(frozen=True, slots=True)
class _Export:
    """The file of an export, and how it is named."""

    blob: BlobRef
    owner: str  # the search or the trial that has it
    name: str
    advice: str = ""  # what else helps where storage has lost it

    @property
    def tag(self) -> str:
        return f'"{self.blob.sha256}"'


def export(
    session: Session, storage: Storage, caller: Caller, search_id: UUID, headers: Headers
) -> Response:
    """The exported model as a zip file; NotFound until the final fit has ended.

    `headers` are those of the request, which may want a range, or nothing that it has already.
    Raises 503 where storage has damaged or lost it: nothing is sent that was not checked.
    """
    blob = trials.export_of(session, caller, search_id)
    found = _Export(blob, f"search {search_id}", f"netmorph-{search_id}.zip")
    return _answer(storage, found, headers)


def trial_export(
    session: Session, storage: Storage, caller: Caller, trial_id: UUID, headers: Headers
) -> Response:
    """The exported model of one trial, as `export` that of a search."""
    state = trial_exports.state(session, caller, trial_id)
    found = _Export(
        trial_exports.blob_of(session, caller, trial_id),
        f"trial {state.number}",
        f"netmorph-{state.search_id}-trial-{state.number}.zip",
        " or order the export again",
    )
    return _answer(storage, found, headers)


def _answer(storage: Storage, found: _Export, headers: Headers) -> Response:
    """The answer to a request with these headers; conditions come first (RFC 9110, 13.2.2)."""
    conditions.require_match(headers, found.tag)
    always = {"ETag": found.tag, "Cache-Control": "private, no-cache"}
    if conditions.is_known(headers, found.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=always)
    size = found.blob.bytes
    part = conditions.requested_range(headers, found.tag, size)
    always |= {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{found.name}"',
        "Content-Length": str(size if part is None else len(part)),
    }
    if part is not None:
        always["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return _FileResponse(
        _intact(storage, found),
        part or range(size),
        HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT,
        always,
    )


class _FileResponse(StreamingResponse):
    """A part of an open file, which is closed even where nothing or not all of it is sent."""

    media_type = "application/zip"

    def __init__(
        self, file: IO[bytes], part: range, status: HTTPStatus, headers: dict[str, str]
    ) -> None:
        super().__init__(_chunks(file, part), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the part."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _intact(storage: Storage, found: _Export) -> IO[bytes]:
    """A checked copy of the file; raises 503 where storage has damaged or lost it."""
    try:
        return _checked(storage, found.blob)
    except (BlobError, OSError) as error:
        log.error("the export of the %s cannot be served: %s", found.owner, error)
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the exported model of the {found.owner} is damaged or missing in storage: "
            f"{error}; have an admin restore {found.blob.key} from a backup{found.advice}",
        ) from error


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
    """Copy the bytes of a blob, and check them."""
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


def _chunks(file: IO[bytes], part: range) -> Iterator[bytes]:
    """The bytes of this part of a file."""
    file.seek(part.start)
    left = len(part)
    while chunk := file.read(min(_CHUNK, left)):
        left -= len(chunk)
        yield chunk
