"""Whether the service can work, checked once for all probes of a few seconds.

Anybody may probe, and a check writes to storage: more probes must not mean more checks.
"""

import time
from collections.abc import Callable, Mapping
from threading import Lock

_KEPT_SECONDS = {True: 5.0, False: 1.0}  # of a good result, of a bad one

READY, NOT_READY = "ready", "not ready"


class Readiness:
    """The last results of some checks by name; each is made again when it is old enough."""

    def __init__(
        self,
        checks: Mapping[str, Callable[[], bool]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._clock = clock
        self._lock = Lock()
        self._results = dict.fromkeys(checks, NOT_READY)
        self._old_at = clock()

    def results(self) -> dict[str, str]:
        """ "ready" or "not ready" by name; while a check is being made, the results before it."""
        if self._lock.acquire(blocking=False):
            try:
                if self._clock() >= self._old_at:
                    self._check()
            finally:
                self._lock.release()
        return self._results

    def _check(self) -> None:
        found = {name: check() for name, check in self._checks.items()}
        self._results = {name: READY if good else NOT_READY for name, good in found.items()}
        self._old_at = self._clock() + _KEPT_SECONDS[all(found.values())]
