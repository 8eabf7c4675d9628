"""Operations: imports that go on after their request has been answered."""

import hashlib
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from api.db import unit_of_work
from api.edge import conditions
from api.edge.authentication import require_access
from api.edge.dependencies import CallerDep, ChangesDep, Cursor, Limit, OperationId, SessionDep
from api.edge.long_polls import first_found
from api.edge.operations import Import, Operations
from api.edge.preferences import RESPOND_ASYNC
from api.operation_states import OperationKind, OperationStatus
from api.schemas.operations import OperationOut, OperationPage
from api.store import operations
from api.store.keys import Caller

router = APIRouter(prefix="/v1/operations", tags=["operations"])

_WAIT = (
    "long-poll for up to this many seconds until it has ended; with `If-None-Match` until it has "
    "changed"
)
_ETAG = "the ETag that is known: 304 unless the operation has changed"
_POLL_SECONDS = "1"  # between two requests of a client that does not long-poll

#: The further answer of a route that carries work out as an operation.
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": OperationOut,
        "description": "with `Prefer: respond-async`: the operation that has begun",
        "headers": {
            "Location": {"description": "its address", "schema": {"type": "string"}},
            "Preference-Applied": {
                "description": f"`{RESPOND_ASYNC}`",
                "schema": {"type": "string"},
            },
            "Retry-After": {
                "description": "seconds after which to look at it",
                "schema": {"type": "integer"},
            },
        },
    }
}


def accepted(
    request: Request,
    caller: Caller,
    run: Import,
    held: ExitStack,
    *,
    kind: OperationKind,
    name: str,
) -> Response:
    """Begin an operation, which takes over what is held, and answer with it.

    Raises HTTPException 503 where too many wait.
    """
    of_process: Operations = request.app.state.operations
    begun = of_process.submit(request, caller, run, held, kind=kind, name=name)
    response = _answer(begun, HTTPStatus.ACCEPTED)
    response.headers["Location"] = f"/v1/operations/{begun.id}"
    response.headers["Preference-Applied"] = RESPOND_ASYNC
    return response


@router.get("")
def list_operations(
    caller: CallerDep, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> OperationPage:
    """List your operations of the last day, as an admin those of all, the newest first."""
    return operations.listing(session, caller, limit=limit, cursor=cursor)


@router.get(
    "/{operation_id}",
    response_model=OperationOut,
    responses={304: {"description": "unchanged since"}},
)
async def get_operation(
    request: Request,
    operation_id: OperationId,
    caller: CallerDep,
    changes: ChangesDep,
    wait_seconds: Annotated[float, Query(alias="wait", ge=0, le=60, description=_WAIT)] = 0,
    if_none_match: Annotated[str | None, Header(description=_ETAG)] = None,
) -> Response:
    """Get an operation, at once or with `wait` when it has ended or changed.

    It runs until its status is `done`, `failed` or `cancelled`; a day later it is forgotten. While
    it runs, `Retry-After` says when to ask again.
    """
    is_due = _has_ended if if_none_match is None else partial(_is_new, request)
    last: list[OperationOut] = []

    def look(has_waited: bool) -> OperationOut | None:
        last[:] = [_read(request, caller, operation_id, has_waited)]
        return last[0] if is_due(last[0]) else None

    found = await first_found(request, changes, operation_id, look, wait_seconds)
    if found is None and if_none_match is not None:
        return Response(status_code=304, headers={"ETag": _tag(last[0])})
    return _answer(last[0], HTTPStatus.OK)


@router.post("/{operation_id}:cancel")
def cancel_operation(
    request: Request, operation_id: OperationId, caller: CallerDep
) -> OperationOut:
    """Cancel an operation: it ends at once, its import within seconds, and nothing is stored.

    To cancel it again changes nothing; refused (409) where it has ended otherwise.
    """
    of_process: Operations = request.app.state.operations
    return of_process.cancel(caller, operation_id)


def _read(request: Request, caller: Caller, operation_id: UUID, has_waited: bool) -> OperationOut:
    """The operation; 401 if the key ended while the request waited."""
    with unit_of_work(request.app.state.sessions) as session:
        if has_waited:
            require_access(request, session)
        return operations.get(session, caller, operation_id)


def _has_ended(one: OperationOut) -> bool:
    return one.status is not OperationStatus.RUNNING


def _is_new(request: Request, one: OperationOut) -> bool:
    return not conditions.is_known(request.headers, _tag(one))


def _answer(one: OperationOut, status: HTTPStatus) -> Response:
    headers = {"ETag": _tag(one)}
    if not _has_ended(one):
        headers["Retry-After"] = _POLL_SECONDS
    return Response(one.model_dump_json(), status, headers, "application/json")


def _tag(one: OperationOut) -> str:
    return f'"{hashlib.sha256(one.model_dump_json().encode()).hexdigest()[:32]}"'
