"""Authentication by bearer keys, the permissions of roles, and a throttle on guesses."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from fastapi import HTTPException, Request

from api.roles import Role
from api.store import keys
from api.store.keys import Caller

USERS = frozenset({Role.ADMIN, Role.USER})
ADMINS = frozenset({Role.ADMIN})
WORKERS = frozenset({Role.WORKER})

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_FAILURES_PER_MINUTE = 20  # of one address, before it must wait
_ADDRESSES = 10_000  # remembered at the same time


class Throttle:
    """Counts failed keys by address: a token bucket that refills within a minute.

    Not a library: slowapi and fastapi-limiter count every request of a route, while only failures
    count here; `limits`, below slowapi, could count those, but remembers addresses without a bound.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, when

    def _left(self, address: str) -> float:
        left, when = self._buckets.get(address, (float(_FAILURES_PER_MINUTE), self._clock()))
        refilled = left + (self._clock() - when) * _FAILURES_PER_MINUTE / 60
        return min(float(_FAILURES_PER_MINUTE), refilled)

    def check(self, address: str) -> None:
        """Raise 429 while the address has failed too often within the last minute."""
        with self._lock:
            if self._left(address) < 1:
                raise HTTPException(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "too many wrong keys from this address: wait a minute",
                    {"Retry-After": "60"},
                )

    def failed(self, address: str) -> None:
        """Note one failure."""
        with self._lock:
            self._buckets[address] = (self._left(address) - 1, self._clock())
            self._buckets.move_to_end(address)
            while len(self._buckets) > _ADDRESSES:
                self._buckets.popitem(last=False)


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


def authenticate(request: Request, raw: str) -> Caller:
    """The owner of a key; raises 401 for an unknown or revoked key, 429 after too many."""
    throttle: Throttle = request.app.state.throttle
    address = request.client.host if request.client else "unknown"
    throttle.check(address)
    with request.app.state.sessions.begin() as session:
        caller = keys.authenticate(session, raw)
    if caller is None:
        throttle.failed(address)
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "the key is unknown or revoked", _CHALLENGE)
    return caller


def require(caller: Caller, roles: frozenset[Role]) -> Caller:
    """The caller, if it has one of these roles; raises 403 otherwise."""
    if caller.role not in roles:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"a key of role {caller.role.value} may not do this; expected "
            + " or ".join(sorted(role.value for role in roles)),
        )
    return caller
