"""References to blobs in the tables: a key and a size suffice, as the key contains the hash."""

from typing import overload

from core.errors import InvalidInput
from core.protocol.contracts import BlobRef, TrialResult

#: The kind of blob that each part of a result may name.
_KINDS = {"weights": "weights", "export": "exports"}


@overload
def reference(key: str, size: int) -> BlobRef: ...
@overload
def reference(key: str | None, size: int | None) -> BlobRef | None: ...
def reference(key: str | None, size: int | None) -> BlobRef | None:
    """The blob of two columns; None where they are null."""
    if key is None or size is None:
        return None
    sha256 = key.partition("/")[2].partition(".")[0]
    return BlobRef(key=key, sha256=sha256, bytes=size)


def check(report: TrialResult) -> None:
    """Raise InvalidInput where a result names a blob of another kind, such as a data set.

    Blobs are named by their content, so one that another search has as well is no fault: equal
    trainings give equal bytes.
    """
    for part, kind in _KINDS.items():
        blob: BlobRef | None = getattr(report, part)
        if blob is not None and not blob.key.startswith(f"{kind}/{blob.sha256}."):
            raise InvalidInput(f"{part}: found the blob {blob.key}; expected {kind}/{blob.sha256}")
