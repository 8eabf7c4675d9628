"""Blobs to remove: noted in the transaction that needs them no more, removed after it.

They are those of deleted searches, and checkpoints that were replaced or whose trial has ended.

Blobs are named by their content, so two searches may share one: a blob is removed only when no
trial, no network and no data set refers to it any more. A worker stores its result before its
report, so one of equal bytes may be about to be reported: a blob is removed only some time after
it was noted, and after it was stored for the last time (`postpone`).
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.blobs import Discarded
from api.models.datasets import Dataset
from api.models.leases import Lease
from api.models.networks import Network
from api.models.trials import Trial
from api.store import blobs
from core.protocol.contracts.blobs import BlobRef
from core.protocol.states import LIVE_TRIAL

_NO_TIME = timedelta(0)
CHECKPOINTS = "checkpoints/"  # the beginning of their keys


def end_leases(session: Session, search_id: object) -> None:
    """Delete the leases of a search's trials: their workers are told to abandon them."""
    mine = select(Trial.id).where(Trial.search_id == search_id)
    session.execute(delete(Lease).where(Lease.trial_id.in_(mine)))


def of_search(session: Session, search_id: object) -> None:
    """Note all blobs of a search's trials."""
    pairs = (
        (Trial.weights_key, Trial.weights_bytes),
        (Trial.export_key, Trial.export_bytes),
        (Trial.checkpoint_key, Trial.checkpoint_bytes),
    )
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
    """Note a blob that nothing of this transaction refers to any more."""
    noted = insert(Discarded).values(blob_key=blob.key, blob_bytes=blob.bytes)
    session.execute(noted.on_conflict_do_nothing())


def keep(session: Session, blob: BlobRef) -> None:
    """Delete the note of a blob that a new row is about to refer to.

    Waits for a sweep that is removing the blob: after the commit it may have to be stored again.
    """
    session.execute(delete(Discarded).where(Discarded.blob_key == blob.key))


_ended_with_checkpoint = Trial.checkpoint_key.is_not(None) & Trial.status.not_in(LIVE_TRIAL)


def of_ended_trials(session: Session) -> None:
    """Note the checkpoints of trials that have ended, however they ended, and forget them there."""
    rows = select(Trial.id, Trial.checkpoint_key, Trial.checkpoint_bytes)
    chosen = rows.where(_ended_with_checkpoint).with_for_update(skip_locked=True)
    ended = session.execute(chosen).all()
    if not ended:
        return
    noted = [{"blob_key": row.checkpoint_key, "blob_bytes": row.checkpoint_bytes} for row in ended]
    session.execute(insert(Discarded).on_conflict_do_nothing(), noted)
    none = {"checkpoint_key": None, "checkpoint_bytes": None}
    session.execute(update(Trial).where(Trial.id.in_([row.id for row in ended])).values(none))


def checkpoints_in_use(session: Session) -> set[str]:
    """The keys of the checkpoints from which trials may be continued."""
    keys = select(Trial.checkpoint_key).where(Trial.checkpoint_key.is_not(None))
    return {key for key in session.scalars(keys) if key is not None}


def are_there(session: Session, age: timedelta = _NO_TIME) -> bool:
    """Whether there are blobs to note, or some that were noted at least that long ago."""
    noted = session.scalars(select(Discarded.blob_key).where(_is_old(age)).limit(1)).first()
    ended = session.scalars(select(Trial.id).where(_ended_with_checkpoint).limit(1)).first()
    return noted is not None or ended is not None


def unneeded(session: Session, age: timedelta = _NO_TIME, limit: int = 100) -> list[BlobRef]:
    """Some blobs that nothing refers to and that were noted at least that long ago.

    The notes stay locked until the transaction ends.
    """
    due = select(Discarded).where(~_is_needed(), _is_old(age))
    statement = due.limit(limit).with_for_update(skip_locked=True)
    return [blobs.reference(row.blob_key, row.blob_bytes) for row in session.scalars(statement)]


def postpone(session: Session, stored_lately: list[BlobRef]) -> None:
    """Keep blobs for the time of blobs that are noted now."""
    keys = [blob.key for blob in stored_lately]
    chosen = update(Discarded).where(Discarded.blob_key.in_(keys))
    session.execute(chosen.values(discarded_at=func.now()))


def forget(session: Session, gone: list[BlobRef]) -> None:
    """Delete the notes of removed blobs, and of blobs that are needed after all."""
    removed = Discarded.blob_key.in_([blob.key for blob in gone])
    session.execute(delete(Discarded).where(removed | _is_needed()))


def _is_old(age: timedelta) -> ColumnElement[bool]:
    """Noted that long ago; checkpoints at once, as no two trials have equal ones."""
    is_checkpoint = Discarded.blob_key.startswith(CHECKPOINTS)
    return or_(Discarded.discarded_at <= func.now() - age, is_checkpoint)


def _is_needed() -> ColumnElement[bool]:
    columns = (
        Trial.weights_key,
        Trial.export_key,
        Trial.checkpoint_key,
        Dataset.blob_key,
        Network.blob_key,
    )
    return or_(*(exists().where(column == Discarded.blob_key) for column in columns))
