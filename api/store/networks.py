"""Networks that users upload, so that a search starts from them."""

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.models.networks import Network
from api.schemas.networks import NetworkOut, NetworkPage
from api.store import blobs, discarded, pages
from api.store.errors import Conflict
from api.store.keys import Caller
from api.store.missing import missing
from core.errors import InvalidArchitecture, InvalidInput
from core.graph.architecture import Architecture
from core.graph.preparation import output_layer
from core.protocol.contracts.blobs import BlobRef
from core.tasks import TASKS


def add(
    session: Session,
    caller: Caller,
    *,
    name: str,
    architecture: Architecture,
    weights: BlobRef | None,
) -> NetworkOut:
    """Add a network whose weights are in storage; the same network again is the first one."""
    text = architecture.canonical_json() + (weights.key if weights else "")
    columns: dict[str, Any] = {
        "owner_id": caller.key_id,
        "name": name,
        "digest": hashlib.sha256(text.encode()).digest(),
        "architecture": architecture.to_json(),
        "fingerprint": architecture.fingerprint,
        "blob_key": weights and weights.key,
        "blob_bytes": weights and weights.bytes,
    }
    session.execute(insert(Network).values(**columns).on_conflict_do_nothing())
    same = (Network.owner_id == caller.key_id, Network.digest == columns["digest"])
    return _out(session.scalars(select(Network).where(*same)).one())


def listing(
    session: Session, caller: Caller, *, limit: int = 100, cursor: str | None = None
) -> NetworkPage:
    """A page of the caller's networks, the newest first."""
    statement = _visible(caller).order_by(Network.created_at.desc(), Network.id.desc())
    if cursor is not None:
        after = pages.decode_creation(cursor)
        statement = statement.where(tuple_(Network.created_at, Network.id) < after)
    rows = list(session.scalars(statement.limit(limit + 1)))
    items, following = pages.cut(rows, limit)
    return NetworkPage(items=[_out(row) for row in items], next_cursor=following)


def get(session: Session, caller: Caller, network_id: UUID) -> NetworkOut:
    """One network; NotFound where it is not the caller's."""
    return _out(_row(session, caller, network_id))


def architecture(session: Session, caller: Caller, network_id: UUID) -> Architecture:
    """The architecture of a network, which is not deleted before the transaction ends.

    NotFound where the network is not the caller's.
    """
    row = _row(session, caller, network_id)
    session.refresh(row, with_for_update={"read": True, "key_share": True})
    return Architecture.from_json(row.architecture)


def check_weights(session: Session, network_id: UUID, task: str) -> None:
    """Raise InvalidInput where a search of the task cannot start from the weights of a network.

    Those for numbers have outputs in the units of the data set, which its last layer must be able
    to give standardised.
    """
    row = session.get_one(Network, network_id)
    if row.blob_key is not None and task in TASKS and not TASKS[task].predicts_classes:
        try:
            output_layer(Architecture.from_json(row.architecture))
        except InvalidArchitecture as error:
            raise InvalidInput(
                f"{error}; or give its architecture alone, as JSON, without weights"
            ) from None


def remove(session: Session, caller: Caller, network_id: UUID) -> None:
    """Delete a network; Conflict while a search has started from it, or has a trial of it."""
    row = _row(session, caller, network_id)
    try:
        with session.begin_nested():
            session.execute(delete(Network).where(Network.id == network_id))
    except IntegrityError:
        raise Conflict(
            f"a search needs the network {network_id}: delete the search first"
        ) from None
    if weights := blobs.reference(row.blob_key, row.blob_bytes):
        discarded.add(session, weights)


def _visible(caller: Caller) -> Select[Network]:
    return select(Network).where(caller.owns(Network.owner_id))


def _row(session: Session, caller: Caller, network_id: UUID) -> Network:
    found = session.scalars(_visible(caller).where(Network.id == network_id)).one_or_none()
    if found is None:
        raise missing("network", network_id)
    return found


def _out(row: Network) -> NetworkOut:
    architecture = Architecture.from_json(row.architecture)
    return NetworkOut.of(
        row,
        architecture,
        outputs=architecture.output_shape[0],
        layers=len(architecture.nodes),
        bytes=row.blob_bytes,
    )
