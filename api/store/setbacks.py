"""Setbacks: attempts that ended through no fault of their trial. They are not counted.

Where storage is full, read-only or away, the trial waits and is tried again after a pause, which
grows with each setback. Where the parent's weights are damaged, the blob is marked, and the next
order starts from something else (`api.store.ancestors`). A data set that is lost is marked as well:
a search waits for its repair, but not without an end.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, or_, select, text, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.blobs import Damaged
from api.models.datasets import Dataset
from api.models.searches import Search
from api.models.trials import Trial
from api.store import blobs
from api.store.endings import moved
from api.store.fragments import printable
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.results import TrialResult
from core.protocol.states import LIVE_SEARCH, TrialStatus

_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds

_SETBACK = text(
    """
WITH ended AS (
    DELETE FROM leases
    WHERE trial_id = :trial_id AND attempt = :attempt AND token = :token
    RETURNING trial_id, 0 AS epochs
), """
    + moved(
        retry="true",
        otherwise="'lost'",
        excused="true",
        pause="make_interval(secs => :pause * least(2 ^ least(setbacks, 9), :most))",
        changes="setbacks = setbacks + 1, report_digest = :digest,"
        " reason = CASE next WHEN 'stopped' THEN stop_reason ELSE :reason END",
        targets={TrialStatus.WAITING, TrialStatus.LOST, TrialStatus.STOPPED},
        failure="CAST(:reason AS varchar)",
    )
)


def end_attempt(
    connection: Connection, trial_id: UUID, report: TrialResult, digest: bytes, max_attempts: int
) -> TrialStatus | None:
    """End an attempt without counting it; None where the lease is another's.

    The trial waits again: at once where weights were damaged, else after a pause.
    """
    values = {
        "trial_id": trial_id,
        "attempt": report.attempt,
        "token": report.token,
        "reason": printable(report.reason),
        "digest": digest,
        "pause": 0.0 if report.damaged else _FIRST_PAUSE,
        "most": _LONGEST_PAUSE / _FIRST_PAUSE,
        "max_attempts": max_attempts + report.attempt,
    }
    row = connection.execute(_SETBACK, values).one_or_none()
    return None if row is None else TrialStatus(row.status)


def mark_damaged(connection: Connection, blob: BlobRef, reason: str) -> None:
    """Mark weights as damaged, so that no trial starts from them."""
    values = {"blob_key": blob.key, "reason": printable(reason)}
    connection.execute(insert(Damaged).values(values).on_conflict_do_nothing())


def architecture_of(connection: Connection, trial_id: UUID, blob: BlobRef) -> Any:
    """The architecture (as JSON) of the trial with these weights, in the search of this trial.

    None where there is none: a worker may name any blob, but only those of its search count.
    """
    search = select(Trial.search_id).where(Trial.id == trial_id).scalar_subquery()
    statement = select(Trial.architecture).where(
        Trial.search_id == search,
        Trial.weights_key == blob.key,
        Trial.weights_bytes == blob.bytes,
    )
    return connection.scalars(statement).first()


def is_dataset_of(connection: Connection, trial_id: UUID, blob: BlobRef) -> bool:
    """Whether the blob is the data set of the trial's search."""
    searched = select(Search.dataset_id).join(Trial, Trial.search_id == Search.id)
    mine = searched.where(Trial.id == trial_id).scalar_subquery()
    chosen = select(Dataset.id).where(
        Dataset.id == mine, Dataset.blob_key == blob.key, Dataset.blob_bytes == blob.bytes
    )
    return connection.scalars(chosen).first() is not None


def searches_without_data(session: Session, patience: timedelta) -> list[tuple[UUID, str]]:
    """The live searches whose data set was marked that long ago, and what to do about each."""
    marked = (
        select(Search.id, Dataset.name, Damaged.reason, Damaged.found_at, Dataset.blob_key)
        .join(Dataset, Dataset.id == Search.dataset_id)
        .join(Damaged, Damaged.blob_key == Dataset.blob_key)
        .where(Search.status.in_(LIVE_SEARCH), Damaged.found_at < func.now() - patience)
    )
    return [
        (
            row.id,
            f"the data set {row.name} could not be read from storage since "
            f"{row.found_at:%Y-%m-%d %H:%M} UTC: {row.reason}; upload the data set again, or "
            f"restore the file {row.blob_key} from a backup, and then search again",
        )
        for row in session.execute(marked)
    ]


def damaged(session: Session) -> list[BlobRef]:
    """The blobs that are marked as damaged; marks of blobs that nothing refers to are removed."""
    pairs = (
        (Trial.weights_key, Trial.weights_bytes),
        (Dataset.blob_key, Dataset.blob_bytes),
    )
    used = or_(*(exists().where(key == Damaged.blob_key) for key, _ in pairs))
    session.execute(delete(Damaged).where(~used))
    marked = union(
        *(
            select(key.label("key"), size.label("size")).join(Damaged, Damaged.blob_key == key)
            for key, size in pairs
        )
    )
    return [blobs.reference(row.key, row.size) for row in session.execute(marked)]


def unmark(session: Session, intact: list[BlobRef]) -> None:
    """Let trials start from these weights, and read these data sets, again."""
    session.execute(delete(Damaged).where(Damaged.blob_key.in_([blob.key for blob in intact])))
