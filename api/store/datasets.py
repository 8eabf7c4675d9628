"""Data sets: a person's own, and the built-in ones that everybody may use.

A data set is its content. A name is a label: other content under it is the next version, and the
name means the version that was uploaded last.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.searches import Search
from api.schemas.datasets import DatasetOut, DatasetPage
from api.store import blobs, discarded, pages
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.missing import missing
from api.store.readable import readable
from core.data.description.facts import DatasetDescription
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.datasets import DatasetSpec

#: What is shown of a data set whose description another release wrote.
_UNKNOWN: dict[str, Any] = {
    "input_shape": (), "classes": 0, "class_names": (), "train_examples": 0, "test_examples": 0,
    "dtype": "unknown",
}  # fmt: skip
_TRIES = 5  # two uploads under one name at once may choose the same version


def add(
    session: Session,
    caller: Caller,
    *,
    name: str,
    builtin: bool,
    spec: DatasetSpec,
    blob: BlobRef,
    description: DatasetDescription | None = None,
    task: str = "image-classification",
) -> DatasetOut:
    """Add a data set whose bytes are in storage, as the next version of its name.

    The same content under the same name again is the same data set.
    """
    values = {
        "owner_id": None if builtin else caller.key_id,
        "name": name,
        "builtin": builtin,
        "task": task,
        "spec": spec.model_dump(mode="json"),
        "blob_key": blob.key,
        "blob_bytes": blob.bytes,
        "description": description and description.model_dump(mode="json"),
    }
    discarded.keep(session, blob)
    for _ in range(_TRIES):
        if (row := _same(session, Dataset(**values))) is None:
            row = _add_next(session, Dataset(**values))
        if row is not None:
            session.refresh(row)
            return _out(row)
    raise Conflict(f"other uploads under the name {name!r} are going on: try again")


def _same(session: Session, new: Dataset) -> Dataset | None:
    """The data set of the same name and content, from now on the one that the name means."""
    equal = (Dataset.blob_key == new.blob_key) & (Dataset.spec == new.spec)
    row = session.scalars(_of_name(new).where(equal).limit(1)).one_or_none()
    if row is not None and _is_overtaken(session, row):
        row.uploaded_at = func.clock_timestamp()
        session.flush()
    return row


def _is_overtaken(session: Session, row: Dataset) -> bool:
    """Whether the name means another version, which was uploaded later."""
    later = _of_name(row).where(Dataset.uploaded_at > row.uploaded_at).exists()
    return bool(session.scalar(select(later)))


def _add_next(session: Session, row: Dataset) -> Dataset | None:
    """Add a data set as the next version of its name; None if another upload was faster."""
    versions = _of_name(row).with_only_columns(func.coalesce(func.max(Dataset.version), 0))
    row.version = session.scalars(versions).one() + 1
    row.uploaded_at = func.clock_timestamp()
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return None
    return row


def _of_name(row: Dataset) -> Select[Dataset]:
    """The versions of a name of the same owner."""
    owner = Dataset.builtin if row.builtin else Dataset.owner_id == row.owner_id
    return select(Dataset).where(Dataset.name == row.name, owner)


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


def remove(session: Session, caller: Caller, dataset_id: UUID) -> None:
    """Delete a data set; the sweeper then removes its bytes, unless another data set has them.

    Raises Conflict for a built-in one, and while searches use it.
    """
    found = row(session, caller, str(dataset_id))
    if found.builtin:
        raise Conflict(f"{found.name!r} is built in: everybody may use it, so it stays")
    try:
        with session.begin_nested():
            session.execute(delete(Dataset).where(Dataset.id == dataset_id))
    except IntegrityError:
        used = select(func.count()).where(Search.dataset_id == dataset_id)
        raise Conflict(
            f"searches that use the data set: {session.scalars(used).one()}; expected none: delete "
            "them first"
        ) from None
    discarded.add(session, blobs.reference(found.blob_key, found.blob_bytes))


def row(session: Session, caller: Caller, name_or_id: str) -> Dataset:
    """One data set by its id or its name; NotFound without.

    Of a name, the caller's own data set goes before a built-in one, and the version that was
    uploaded last before others.
    """
    wanted: UUID | str = name_or_id
    named = Dataset.name == name_or_id
    try:
        wanted = UUID(name_or_id)
        named = Dataset.id == wanted
    except ValueError:
        named &= or_(Dataset.builtin, Dataset.owner_id == caller.key_id)
    statement = (
        _visible(caller)
        .where(named)
        .order_by(Dataset.builtin, Dataset.uploaded_at.desc(), Dataset.version.desc())
    )
    found = session.scalars(statement.limit(1)).one_or_none()
    if found is None:
        raise missing("data set", wanted)
    return found


def _visible(caller: Caller) -> Select[Dataset]:
    return select(Dataset).where(or_(Dataset.builtin, caller.owns(Dataset.owner_id)))


def _out(row: Dataset) -> DatasetOut:
    spec, _ = readable(DatasetSpec, row.spec, **_UNKNOWN)
    return DatasetOut.of(row, spec, bytes=row.blob_bytes)
