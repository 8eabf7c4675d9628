"""Keys of workers that were looked up a moment ago, so that a report does not cost a look-up.

A revoked key is forgotten by notification at once; where that does not arrive, within seconds.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from api.store.keys import Caller, digest

SECONDS = 5.0  # for which a key is known
MOST = 1_000  # keys, the least recently added are forgotten first


class KnownKeys:
    """The owners of keys by the digest of the key; no secret is kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()  # owner, until when

    def find(self, raw: str) -> Caller | None:
        """The owner of a key that was added within the last seconds."""
        with self._lock:
            caller, until = self._known.get(digest(raw), (None, 0.0))
        return caller if self._clock() < until else None

    def add(self, raw: str, caller: Caller) -> None:
        """Know a key for some seconds."""
        with self._lock:
            self._known[digest(raw)] = (caller, self._clock() + SECONDS)
            self._known.move_to_end(digest(raw))
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def forget(self) -> None:
        """Forget all keys: some may be revoked."""
        with self._lock:
            self._known.clear()
