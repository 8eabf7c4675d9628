"""Blobs of deleted searches: noted in the deleting transaction, removed from storage after it.

Blobs are named by their content, so two searches may share one: a blob is removed only when no
trial, no network and no data set refers to it any more.
"""

from sqlalchemy import ColumnElement, delete, exists, or_, select, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models import Dataset, Discarded, Lease, Network, Trial
from api.store import blobs
from core.protocol.contracts import BlobRef


def of_search(session: Session, search_id: object) -> None:
    """Note all blobs of a search's trials; their leases end first, as reports lock leases first."""
    mine = select(Trial.id).where(Trial.search_id == search_id)
    session.execute(delete(Lease).where(Lease.trial_id.in_(mine)))
    pairs = ((Trial.weights_key, Trial.weights_bytes), (Trial.export_key, Trial.export_bytes))
    keys = union(
        *(
            select(key.label("key"), size.label("size")).where(
                Trial.search_id == search_id, key.is_not(None)
            )
            for key, size in pairs
        )
    ).subquery()
    noted = insert(Discarded).from_select(["blob_key", "blob_bytes"], select(keys))
    session.execute(noted.on_conflict_do_nothing())


def add(session: Session, blob: BlobRef) -> None:
    """Note a blob."""
    noted = insert(Discarded).values(blob_key=blob.key, blob_bytes=blob.bytes)
    session.execute(noted.on_conflict_do_nothing())


def are_there(session: Session) -> bool:
    """Whether any blobs are noted."""
    return session.scalars(select(Discarded.blob_key).limit(1)).first() is not None


def unneeded(session: Session, limit: int = 100) -> list[BlobRef]:
    """Some noted blobs that nothing refers to; the notes stay locked until the transaction ends."""
    statement = (
        select(Discarded).where(~_is_needed()).limit(limit).with_for_update(skip_locked=True)
    )
    return [blobs.reference(row.blob_key, row.blob_bytes) for row in session.scalars(statement)]


def forget(session: Session, gone: list[BlobRef]) -> None:
    """Delete the notes of removed blobs, and of blobs that are needed after all."""
    removed = Discarded.blob_key.in_([blob.key for blob in gone])
    session.execute(delete(Discarded).where(removed | _is_needed()))


def _is_needed() -> ColumnElement[bool]:
    columns = (Trial.weights_key, Trial.export_key, Dataset.blob_key, Network.blob_key)
    return or_(*(exists().where(column == Discarded.blob_key) for column in columns))
