"""Parameters that FastAPI fills in for routes: a transaction, the caller, parts of the app."""

from collections.abc import Iterator
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.db import unit_of_work
from api.edge import authentication
from api.edge.changes import Changes
from api.edge.known_keys import KnownKeys
from api.edge.preferences import prefers_async
from api.store.keys import Caller
from api.store.trial_tables import SORTS, Arrangement
from core.protocol.states import TrialStatus
from core.protocol.storage import Storage

#: Names the keys in the document of the interface; `authentication` reads and checks them.
_BEARER = HTTPBearer(auto_error=False, scheme_name="API key", description="A key: netmorph_…")
_Key = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def get_session(request: Request) -> Iterator[Session]:
    """One transaction for the request, committed before the response is sent."""
    state = request.app.state
    with unit_of_work(state.sessions, state.controller.wake) as session:
        yield session


def get_user(request: Request, _: _Key) -> Caller:
    """The caller, a person with the key of a user or an admin; 401 or 403 for others."""
    return authentication.user_of(request)


def get_admin(request: Request, _: _Key) -> Caller:
    """The caller, an admin; 401 or 403 for others."""
    caller = authentication.authenticate(request, authentication.bearer(request))
    return authentication.require(caller, authentication.ADMINS)


async def get_worker(request: Request, _: _Key) -> Caller:
    """The caller, a worker; 401 or 403 for others."""
    raw = authentication.bearer(request)
    known: KnownKeys = request.app.state.known_keys
    caller = known.find(raw)
    if caller is None:
        caller = await run_in_threadpool(authentication.authenticate, request, raw)
        known.add(raw, authentication.require(caller, authentication.WORKERS))
    return caller


def get_storage(request: Request) -> Storage:
    """The shared storage."""
    return cast(Storage, request.app.state.storage)


def get_changes(request: Request) -> Changes:
    """The notifications of committed changes."""
    return cast(Changes, request.app.state.changes)


_SORTS = "|".join(SORTS)
_SORT = "the column, with `-` before it the largest first"
_TEXT = "in the changes, the reason or the name of the worker"
SortQuery = Annotated[str, Query(pattern=f"^-?({_SORTS})$", description=_SORT)]
StatusQuery = Annotated[Literal[""] | TrialStatus, Query(description="this status alone")]
TextQuery = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$", description=_TEXT)]


def get_arrangement(
    sort: SortQuery = "number", status: StatusQuery = "", text: TextQuery = ""
) -> Arrangement:
    """The filter and the order of trials that an address names."""
    return Arrangement(sort, str(status), text.strip())


ArrangementDep = Annotated[Arrangement, Depends(get_arrangement)]
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
CallerDep = Annotated[Caller, Depends(get_user)]
AdminDep = Annotated[Caller, Depends(get_admin)]
WorkerDep = Annotated[Caller, Depends(get_worker)]
StorageDep = Annotated[Storage, Depends(get_storage)]
ChangesDep = Annotated[Changes, Depends(get_changes)]
SearchId = Annotated[UUID, Path(description="id of the search")]
TrialId = Annotated[UUID, Path(description="id of the trial")]
DatasetId = Annotated[UUID, Path(description="id of a version of a data set")]
NetworkId = Annotated[UUID, Path(description="id of the uploaded network")]
KeyId = Annotated[UUID, Path(description="id of the key, not its secret")]
WebhookId = Annotated[UUID, Path(description="id of the webhook")]
DeliveryId = Annotated[UUID, Path(description="id of the delivery")]
OperationId = Annotated[UUID, Path(description="id of the operation")]
WorkerId = Annotated[UUID, Path(description="id of the worker")]
Limit = Annotated[int, Query(ge=1, le=500, description="most items of the page")]
_CURSOR = "the `next_cursor` of the page before; without it, the first page is answered"
Cursor = Annotated[str | None, Query(min_length=1, max_length=512, description=_CURSOR)]
_REPEAT = "a new text for each new object: the same request sent again creates nothing more"
#: An invalid one is refused, as ignoring it could create something twice.
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=128, pattern=r"^[!-~]+$", description=_REPEAT)
]
_PREFER = "`respond-async`: be answered before the work is done (RFC 7240); others have no effect"


def get_respond_async(
    request: Request, _: Annotated[str | None, Header(alias="Prefer", description=_PREFER)] = None
) -> bool:
    """Whether the client prefers an answer before the work is done."""
    return prefers_async(request.headers)


RespondAsync = Annotated[bool, Depends(get_respond_async)]
ThemeName = Annotated[
    str, Query(pattern="^(light|dark)$", description="colours for a light or a dark page")
]
