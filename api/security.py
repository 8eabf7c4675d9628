"""Who calls: bearer keys, what each role may do, and a brake on guessing."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.schemas import Role
from api.store import keys
from api.store.keys import Caller

USERS = frozenset({Role.ADMIN, Role.USER})
ADMINS = frozenset({Role.ADMIN})
WORKERS = frozenset({Role.WORKER})

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_FAILURES_PER_MINUTE = 20  # by one address, before it is asked to wait
_ADDRESSES = 10_000  # remembered at once


class Throttle:
    """Counts failures by address; a bucket that refills within a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, when

    def _left(self, address: str) -> float:
        left, when = self._buckets.get(address, (float(_FAILURES_PER_MINUTE), self._clock()))
        refilled = left + (self._clock() - when) * _FAILURES_PER_MINUTE / 60
        return min(float(_FAILURES_PER_MINUTE), refilled)

    def check(self, address: str) -> None:
        """Raise 429 while the address has failed too often lately."""
        with self._lock:
            if self._left(address) < 1:
                raise HTTPException(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "too many wrong keys from this address; wait a minute",
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
    """The key in the Authorization header; raises 401 where there is not exactly one."""
    headers = request.headers.getlist("authorization")
    if len(headers) == 1:
        scheme, _, raw = headers[0].partition(" ")
        if scheme.lower() == "bearer" and raw.isascii() and 0 < len(raw) <= 200:
            return raw
    raise HTTPException(
        HTTPStatus.UNAUTHORIZED, "send your key as 'Authorization: Bearer netmorph_…'", _CHALLENGE
    )


def authenticate(request: Request, raw: str) -> Caller:
    """Who has the key; raises 401 for an unknown or revoked one, 429 after too many."""
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
    """The caller, if its role is one of these; raises 403 otherwise."""
    if caller.role not in roles:
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            f"a key of role {caller.role.value} may not do this; expected "
            + " or ".join(sorted(role.value for role in roles)),
        )
    return caller


#: Pages and answers load nothing from elsewhere. The hash is that of the empty style element
#: which Plotly makes for its layers.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class SecurityHeaders:
    """ASGI middleware that gives every answer the headers which browsers obey."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to its answer, and `no-store` if it says nothing."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [*_HEADERS, (b"cache-control", b"no-store")]
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in added if name not in present),
                ]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)
