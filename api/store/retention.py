"""Retention: which blobs are kept, and which have no use any more.

Kept are all data sets, uploaded networks and exports; all weights of live searches, as any of them
may become a parent; and of ended searches the weights of the best trials, and of those that the
final fit continues. Weights beyond that are noted in `discarded` and removed after its grace time,
as are files to which no row refers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.blobs import Discarded
from api.models.datasets import Dataset
from api.models.networks import Network
from api.models.trials import Trial
from api.store import blobs
from api.store.fragments import listed
from core.protocol.contracts.blobs import BlobRef
from core.protocol.states import LIVE_SEARCH, LIVE_TRIAL

_AT_ONCE = 1000  # keys in one query

# A trial that another worker still trains may need its ancestors: its search is left alone.
_SUPERSEDED = text(f"""
WITH ranked AS (
    SELECT trials.id, search_id, weights_key, weights_bytes, number,
        row_number() OVER (PARTITION BY search_id ORDER BY value DESC NULLS LAST, number) AS rank
    FROM trials JOIN searches ON searches.id = search_id
    WHERE kind = 'search' AND weights_key IS NOT NULL
        AND searches.status NOT IN ({listed(LIVE_SEARCH)})
        AND (CAST(:search_id AS uuid) IS NULL OR search_id = :search_id)
        AND NOT EXISTS (SELECT FROM trials AS live WHERE live.search_id = searches.id
            AND live.status IN ({listed(LIVE_TRIAL)}))
)
SELECT ranked.id, ranked.search_id, ranked.weights_key, ranked.weights_bytes
FROM ranked LEFT JOIN trials AS final
    ON final.search_id = ranked.search_id AND final.kind = 'final'
WHERE rank > :keep AND (final.id IS NULL OR final.parent_id <> ranked.id
    AND NOT final.members @> to_jsonb(ranked.number))
""")


@dataclass(frozen=True, slots=True)
class Superseded:
    """A trial of an ended search whose weights have no use any more."""

    trial_id: UUID
    search_id: UUID
    weights: BlobRef


def superseded(session: Session, keep: int, search_id: UUID | None = None) -> list[Superseded]:
    """The trials of ended searches, or of this one, beyond the `keep` best of each."""
    rows = session.execute(_SUPERSEDED, {"keep": keep, "search_id": search_id})
    return [
        Superseded(row.id, row.search_id, blobs.reference(row.weights_key, row.weights_bytes))
        for row in rows
    ]


def give_up_weights(session: Session, keep: int, search_id: UUID) -> int:
    """Note the weights beyond the `keep` best of an ended search; return how many.

    The search stays locked until the transaction ends, so that it cannot go on meanwhile.
    """
    session.execute(
        text("SELECT FROM searches WHERE id = :id FOR NO KEY UPDATE"), {"id": search_id}
    )
    given_up = superseded(session, keep, search_id)
    if given_up:
        note(session, {one.weights for one in given_up})
        ids = literal([one.trial_id for one in given_up], ARRAY(Uuid))  # one parameter for all
        chosen = update(Trial).where(Trial.id == any_(ids))
        session.execute(chosen.values(weights_key=None, weights_bytes=None))
    return len(given_up)


def unreferenced(session: Session, stored: Sequence[BlobRef]) -> list[BlobRef]:
    """Those of the blobs to which no row refers, not even a note of one to be removed."""
    found: list[BlobRef] = []
    for start in range(0, len(stored), _AT_ONCE):
        part = stored[start : start + _AT_ONCE]
        known = _known(session, [blob.key for blob in part])
        found += [blob for blob in part if blob.key not in known]
    return found


def note(session: Session, unneeded: Iterable[BlobRef]) -> None:
    """Note blobs, so that they are removed after their grace time unless a row refers to them."""
    rows = [{"blob_key": blob.key, "blob_bytes": blob.bytes} for blob in unneeded]
    if rows:
        session.execute(insert(Discarded).on_conflict_do_nothing(), rows)


def noted(session: Session) -> list[BlobRef]:
    """The blobs that are noted to be removed."""
    rows = session.scalars(select(Discarded))
    return [blobs.reference(row.blob_key, row.blob_bytes) for row in rows]


def _known(session: Session, keys: list[str]) -> set[str]:
    columns = (
        Trial.weights_key,
        Trial.export_key,
        Trial.checkpoint_key,
        Dataset.blob_key,
        Network.blob_key,
        Discarded.blob_key,
    )
    found: set[str] = set()
    for column in columns:
        found.update(key for key in session.scalars(select(column).where(column.in_(keys))) if key)
    return found
