"""Data sets: a person's own, and the built-in ones that everybody may use."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.models import Dataset
from api.schemas import DatasetOut, DatasetPage
from api.store import pages
from api.store.errors import Conflict, NotFound
from api.store.keys import Caller
from api.store.readable import readable
from core.protocol.contracts import BlobRef, DatasetSpec

#: What is shown of a data set whose description another release wrote.
_UNKNOWN: dict[str, Any] = {
    "input_shape": (), "classes": 0, "class_names": (), "train_examples": 0, "test_examples": 0,
    "dtype": "unknown",
}  # fmt: skip


def add(
    session: Session,
    caller: Caller,
    *,
    name: str,
    builtin: bool,
    spec: DatasetSpec,
    blob: BlobRef,
    task: str = "image-classification",
) -> DatasetOut:
    """Add a data set whose bytes are in storage.

    The same bytes under the same name again are the same data set; Conflict where the name
    belongs to other bytes.
    """
    row = Dataset(
        owner_id=None if builtin else caller.key_id,
        name=name,
        builtin=builtin,
        task=task,
        spec=spec.model_dump(mode="json"),
        blob_key=blob.key,
        blob_bytes=blob.bytes,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return _same(session, row)
    session.refresh(row)
    return _out(row)


def listing(
    session: Session, caller: Caller, *, limit: int = 100, cursor: str | None = None
) -> DatasetPage:
    """A page of the data sets that the caller may use, the newest first."""
    statement = _visible(caller).order_by(Dataset.created_at.desc(), Dataset.id.desc())
    if cursor is not None:
        after = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Dataset.created_at, Dataset.id) < after)
    rows = list(session.scalars(statement.limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return DatasetPage(items=[_out(row) for row in items], next_cursor=following)


def get(session: Session, caller: Caller, dataset_id: UUID) -> DatasetOut:
    """One data set by its id."""
    return _out(row(session, caller, str(dataset_id)))


def row(session: Session, caller: Caller, name_or_id: str) -> Dataset:
    """One data set by its id or its name; NotFound without.

    Of a name, the caller's own data set goes before a built-in one.
    """
    named = Dataset.name == name_or_id
    try:
        named = Dataset.id == UUID(name_or_id)
    except ValueError:
        named &= or_(Dataset.builtin, Dataset.owner_id == caller.key_id)
    statement = _visible(caller).where(named).order_by(Dataset.builtin).limit(1)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound(f"there is no data set {name_or_id!r}")
    return found


def _visible(caller: Caller) -> Select[Dataset]:
    return select(Dataset).where(or_(Dataset.builtin, caller.owns(Dataset.owner_id)))


def _same(session: Session, new: Dataset) -> DatasetOut:
    """The existing data set of this name, if it has the same bytes."""
    statement = select(Dataset).where(Dataset.name == new.name)
    owner = Dataset.builtin if new.builtin else Dataset.owner_id == new.owner_id
    old = session.scalars(statement.where(owner)).one()
    if old.blob_key != new.blob_key:
        raise Conflict(f"a data set {new.name!r} with other content exists: choose another name")
    return _out(old)


def _out(row: Dataset) -> DatasetOut:
    spec, _ = readable(DatasetSpec, row.spec, **_UNKNOWN)
    return DatasetOut.of(row, spec, bytes=row.blob_bytes)
