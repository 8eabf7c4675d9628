"""Authentication by bearer keys, and the permissions of roles.

A key is looked up before the throttle on wrong ones: wrong keys from an address never shut out the
workers and people behind the same address. What the throttle slows down are wrong keys alone.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import HTTPException, Request
from sqlalchemy.orm import Session

from api.edge.throttle import Throttle, network
from api.roles import Role
from api.store import keys
from api.store.keys import Caller

USERS = frozenset({Role.ADMIN, Role.USER})
ADMINS = frozenset({Role.ADMIN})
WORKERS = frozenset({Role.WORKER})

_CHALLENGE = {"WWW-Authenticate": "Bearer"}

log = logging.getLogger(__name__)


def bearer(request: Request) -> str:
    """The key in the Authorization header; raises 401 unless there is exactly one."""
    headers = request.headers.getlist("authorization")
    if len(headers) == 1:
        scheme, _, raw = headers[0].partition(" ")
        if scheme.lower() == "bearer" and raw.isascii() and 0 < len(raw) <= 200:
            return raw
    raise HTTPException(
        HTTPStatus.UNAUTHORIZED, "send your key as 'Authorization: Bearer netmorph_…'", _CHALLENGE
    )


def user_of(request: Request) -> Caller:
    """The caller, a person with the key of a user or an admin; raises 401 or 403 for others."""
    return require(authenticate(request, bearer(request)), USERS)


def authenticate(request: Request, raw: str) -> Caller:
    """The owner of a key; raises 401 for an unknown or revoked key, 429 after too many."""
    with request.app.state.sessions.begin() as session:
        caller = keys.authenticate(session, raw)
    if caller is None:
        raise _wrong_key(request, raw)
    remember(request, lambda session: keys.authenticate(session, raw))
    return caller


def remember(request: Request, look_up: Callable[[Session], Caller | None]) -> None:
    """Keep how the caller was looked up, for answers that take long."""
    request.state.look_up = look_up


def has_access(request: Request, session: Session) -> bool:
    """Whether what the request came with, a key or a session, still opens."""
    look_up: Callable[[Session], Caller | None] = request.state.look_up
    return look_up(session) is not None


def require_access(request: Request, session: Session) -> None:
    """Raise 401 where what the request came with does not open any more."""
    if not has_access(request, session):
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "the key has ended", _CHALLENGE)


def _wrong_key(request: Request, raw: str) -> HTTPException:
    """The refusal of a wrong key; raises 429 where too many of it or of its address came before."""
    throttle: Throttle = request.app.state.throttle
    address = request.client.host if request.client else "unknown"
    prefix = keys.prefix_of(raw)
    origins = [f"address {network(address)}", *([f"key {prefix}"] if prefix else [])]
    throttle.check(*origins)
    throttle.failed(*origins)
    log.warning("wrong key from %s, beginning with %r", address, prefix)
    return HTTPException(HTTPStatus.UNAUTHORIZED, "the key is unknown or revoked", _CHALLENGE)


def require(caller: Caller, roles: frozenset[Role]) -> Caller:
    """The caller, if it has one of these roles; raises 403 otherwise."""
    if caller.role not in roles:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"a key of role {caller.role.value} may not do this; expected "
            + " or ".join(sorted(role.value for role in roles)),
        )
    return caller
