"""References to blobs in the tables: a key and a size suffice, as the key contains the hash."""

from typing import overload
from uuid import UUID

from sqlalchemy import Connection

from api.store.prepared import PreparedStatement
from core.errors import InvalidInput
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.results import TrialResult

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

    Equal trainings give equal bytes, so one that another user has as well may be right: see
    `parts_of_others`.
    """
    for part, kind in _KINDS.items():
        blob: BlobRef | None = getattr(report, part)
        if blob is not None and not blob.key.startswith(f"{kind}/{blob.sha256}."):
            raise InvalidInput(f"{part}: found the blob {blob.key}; expected {kind}/{blob.sha256}")


_PARTS_OF_OTHERS = PreparedStatement("""
SELECT EXISTS (
    SELECT FROM trials JOIN searches ON searches.id = search_id
    WHERE weights_key = :weights AND owner_id <> mine.owner_id
    UNION ALL SELECT FROM networks WHERE blob_key = :weights AND owner_id <> mine.owner_id
) AS weights, EXISTS (
    SELECT FROM trials JOIN searches ON searches.id = search_id
    WHERE export_key = :export AND owner_id <> mine.owner_id
) AS export
FROM leases JOIN trials ON trials.id = leases.trial_id
JOIN searches AS mine ON mine.id = trials.search_id
WHERE leases.trial_id = :trial_id AND leases.attempt = :attempt AND token = :token
""")


def parts_of_others(connection: Connection, trial_id: UUID, report: TrialResult) -> list[str]:
    """The parts of a result whose blobs belong to a search or a network of another user.

    The user's own are no secret, and workers of older releases, which send no proofs, make equal
    ones where a search is repeated. None where the report has no lease: then it does not count.
    """
    values = {part: getattr(report, part) and getattr(report, part).key for part in _KINDS}
    if not any(values.values()):
        return []
    lease = {"trial_id": trial_id, "attempt": report.attempt, "token": report.token}
    row = _PARTS_OF_OTHERS.first(connection, values | lease)
    return [] if row is None else [part for part in _KINDS if getattr(row, part)]
