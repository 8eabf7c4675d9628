"""Which requests are sent again, when, and for how long.

tenacity, and not a retrying transport below httpx: a download must go on where it broke off, which
only its caller can do, and the wait depends on the answer as well as on the number of tries.
"""

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from netmorph.errors import RefusedRequest

_log = logging.getLogger("netmorph.client")

PATIENCE = (
    120.0  # seconds of retries: longer than a restart and than a minute of "too many requests"
)
_FIRST_TRIES = 3  # before the service has answered once: the address may be wrong
_QUIET = 1.0  # seconds: only longer waits are logged
_backoff = wait_exponential_jitter(multiplier=0.1, max=4.0, jitter=0.1)

#: Statuses of a service that is restarting, and of a proxy before it.
_BUSY = frozenset({502, 503, 504})
_TOO_MANY = 429
#: Errors before the request was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_T = TypeVar("_T")


class Retries:
    """Repeats the requests of one client while their errors pass."""

    def __init__(self) -> None:
        self._has_answered = False

    def note_answer(self) -> None:
        """Note that a service answers at this address: from now on, be patient with it."""
        self._has_answered = True

    def run(self, call: Callable[[], _T], *, repeatable: bool) -> _T:
        """The result of `call`, which is repeated while its errors pass.

        A request that is not `repeatable` is sent again only if the service did not process it. The
        last error is raised.
        """
        retrying = Retrying(
            retry=lambda state: _passes(_error(state), repeatable=repeatable),
            wait=_pause,
            stop=self._gives_up,
            before_sleep=_log_pause,
            reraise=True,
        )
        return retrying(call)

    def _gives_up(self, state: RetryCallState) -> bool:
        """Whether this try was the last one."""
        if not self._has_answered:
            return state.attempt_number >= _FIRST_TRIES
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep > PATIENCE


def retry_after(header: str | None) -> float | None:
    """The seconds of a `Retry-After` header, which may be a number or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _error(state: RetryCallState) -> BaseException | None:
    assert state.outcome is not None
    return state.outcome.exception()


def _passes(error: BaseException | None, *, repeatable: bool) -> bool:
    """Whether the same request may succeed later and may be sent again."""
    if isinstance(error, RefusedRequest):
        return error.status == _TOO_MANY or (repeatable and error.status in _BUSY)
    return isinstance(error, httpx.TransportError if repeatable else _NOT_SENT)


def _pause(state: RetryCallState) -> float:
    """Seconds until the next try: doubled after each, and at least what the service requested."""
    error = _error(state)
    requested = error.retry_after if isinstance(error, RefusedRequest) else None
    return max(_backoff(state), requested or 0.0)


def _log_pause(state: RetryCallState) -> None:
    """Say why nothing happens for a while. Errors contain no headers, so no log has the key."""
    if state.upcoming_sleep >= _QUIET:
        reason = str(_error(state)) or type(_error(state)).__name__
        _log.warning("%s; next try in %.0f s", reason, state.upcoming_sleep)
