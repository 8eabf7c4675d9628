"""References to blobs in the tables: a key and a size suffice, as the key contains the hash."""

from collections.abc import Mapping
from typing import overload
from uuid import UUID

from sqlalchemy import Connection

from api.store.prepared import PreparedStatement
from api.store.together import LEASE, as_json, as_rows, fence
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


_PARTS_OF_OTHERS = PreparedStatement(f"""
WITH {as_rows(LEASE | {"weights": "varchar", "export": "varchar"})}
SELECT calls.trial_id, EXISTS (
    SELECT FROM trials JOIN searches ON searches.id = search_id
    WHERE weights_key = calls.weights AND owner_id <> mine.owner_id
    UNION ALL SELECT FROM networks WHERE blob_key = calls.weights AND owner_id <> mine.owner_id
) AS weights, EXISTS (
    SELECT FROM trials JOIN searches ON searches.id = search_id
    WHERE export_key = calls.export AND owner_id <> mine.owner_id
) AS export
FROM leases JOIN calls USING (trial_id, attempt, token) JOIN trials ON trials.id = trial_id
JOIN searches AS mine ON mine.id = trials.search_id
""")


def parts_of_others(
    connection: Connection, reports: Mapping[UUID, TrialResult]
) -> dict[UUID, list[str]]:
    """The parts of results whose blobs belong to a search or a network of another user, by trial.

    The user's own are no secret, and workers of older releases, which send no proofs, make equal
    ones where a search is repeated. None where a report has no lease: then it does not count.
    """
    calls = [
        fence(trial_id, report)
        | {part: getattr(report, part) and getattr(report, part).key for part in _KINDS}
        for trial_id, report in reports.items()
        if any(getattr(report, part) for part in _KINDS)
    ]
    if not calls:
        return {}
    rows = _PARTS_OF_OTHERS.rows(connection, {"calls": as_json(calls)})
    found = {row.trial_id: [part for part in _KINDS if getattr(row, part)] for row in rows}
    return {trial_id: parts for trial_id, parts in found.items() if parts}
