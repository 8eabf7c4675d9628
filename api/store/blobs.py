"""References to blobs in the tables: a key and a size suffice, as the key contains the hash."""

from typing import overload

from core.protocol.contracts import BlobRef


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
