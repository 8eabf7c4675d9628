"""What routes ask for: a transaction, the caller, the app's parts."""

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from api import security
from api.changes import Changes
from api.db import unit_of_work
from api.store.keys import Caller
from core.protocol.storage import Storage


def get_session(request: Request) -> Iterator[Session]:
    """One transaction for the request, committed before the answer is sent."""
    state = request.app.state
    with unit_of_work(state.sessions, state.controller.wake) as session:
        yield session


def get_user(request: Request) -> Caller:
    """A person: an admin's or user's key."""
    caller = security.authenticate(request, security.bearer(request))
    return security.require(caller, security.USERS)


def get_admin(request: Request) -> Caller:
    """An admin's key."""
    caller = security.authenticate(request, security.bearer(request))
    return security.require(caller, security.ADMINS)


def get_worker(request: Request) -> Caller:
    """A worker's key."""
    caller = security.authenticate(request, security.bearer(request))
    return security.require(caller, security.WORKERS)


def get_storage(request: Request) -> Storage:
    """The shared storage."""
    return cast(Storage, request.app.state.storage)


def get_changes(request: Request) -> Changes:
    """What tells of changes as they are committed."""
    return cast(Changes, request.app.state.changes)


SessionDep = Annotated[Session, Depends(get_session, scope="function")]
CallerDep = Annotated[Caller, Depends(get_user)]
AdminDep = Annotated[Caller, Depends(get_admin)]
WorkerDep = Annotated[Caller, Depends(get_worker)]
StorageDep = Annotated[Storage, Depends(get_storage)]
ChangesDep = Annotated[Changes, Depends(get_changes)]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(min_length=1, max_length=512)]
