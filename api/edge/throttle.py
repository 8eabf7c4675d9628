"""A throttle on failures: token buckets, each of which refills within a minute."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from fastapi import HTTPException

_FAILURES_PER_MINUTE = 20  # of one origin, before it must wait
_ORIGINS = 10_000  # remembered at the same time


class Throttle:
    """Counts failures by origin, such as an address or the beginning of a key.

    Not a library: slowapi and fastapi-limiter count every request of a route, while only failures
    count here; `limits`, below slowapi, could count those, but remembers addresses without a bound.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, when

    def _left(self, origin: str) -> float:
        left, when = self._buckets.get(origin, (float(_FAILURES_PER_MINUTE), self._clock()))
        refilled = left + (self._clock() - when) * _FAILURES_PER_MINUTE / 60
        return min(float(_FAILURES_PER_MINUTE), refilled)

    def check(self, *origins: str) -> None:
        """Raise 429 while one of these has failed too often within the last minute."""
        with self._lock:
            if any(self._left(origin) < 1 for origin in origins):
                raise HTTPException(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "too many wrong keys: wait a minute, then send the right one",
                    {"Retry-After": "60"},
                )

    def failed(self, *origins: str) -> None:
        """Note one failure of each."""
        with self._lock:
            for origin in origins:
                self._buckets[origin] = (self._left(origin) - 1, self._clock())
                self._buckets.move_to_end(origin)
            while len(self._buckets) > _ORIGINS:
                self._buckets.popitem(last=False)


def network(address: str) -> str:
    """The address; of IPv6 its /64 network, as one client may have all addresses of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
