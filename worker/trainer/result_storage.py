"""Storing the result of a training, although storage may be full, read-only or away for a while."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import BlobKind, Storage

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0)  # seconds; in sum less than counts as a hang


@dataclass(frozen=True, slots=True)
class ResultStorage:
    """A storage that tries again for most of a minute, as a result has cost a training."""

    storage: Storage
    wait: Callable[[float], None]  # for this many seconds
    should_stop: Callable[[], bool]

    def put(self, kind: BlobKind, data: bytes, suffix: str) -> BlobRef:
        """Store the bytes; OSError where storage does not work for long, or it must stop."""
        for seconds in _PAUSES:
            try:
                return self.storage.put(kind, data, suffix)
            except OSError as error:
                if self.should_stop():
                    raise
                message = f"not stored, next try in {seconds:g} s: {error}"
                print(message, file=sys.stderr, flush=True)
                self.wait(seconds)
        return self.storage.put(kind, data, suffix)
