"""Networks of users that become trials of a search: kept until a trial may start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.networks import Network
from api.models.searches import Enqueued, Search
from api.models.trials import Trial
from api.schemas.enqueued import EnqueuedOut, QueuedOut
from api.store import networks, searches, trials
from api.store.errors import Conflict, NotFound
from api.store.keys import Caller
from api.store.notifications import changed
from core.graph.architecture import Architecture
from core.graph.given_network import check_fits
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.states import SearchStatus

_OPEN = {SearchStatus.PENDING, SearchStatus.RUNNING, SearchStatus.PAUSED}


@dataclass(frozen=True, slots=True)
class EnqueuedNetwork:
    """A network that waits for its trial."""

    network_id: UUID
    architecture: dict[str, Any]  # canonical JSON


def add(session: Session, caller: Caller, search_id: UUID, network_id: UUID) -> EnqueuedOut:
    """Let a network become a trial of a search; nothing changes where it is one, or waits already.

    Raises:
        InvalidInput: the network does not fit the data set or the bounds of the search, or its
            weights do not fit the task.
        Conflict: the search makes no more trials, or it has one of this architecture.
    """
    search = searches.locked(session, caller, search_id)
    architecture = networks.architecture(session, caller, network_id)
    same = select(Trial).where(
        Trial.search_id == search_id,
        Trial.fingerprint == architecture.fingerprint,
        trials.IS_SHOWN,
    )
    trial = session.scalars(same.order_by(Trial.number).limit(1)).one_or_none()
    if trial is None:
        _enqueue(session, search, network_id, architecture)
    elif trial.network_id != network_id:
        raise Conflict(f"trial {trial.number} of the search has this architecture already")
    return EnqueuedOut(
        search_id=search_id,
        network_id=network_id,
        trial_id=None if trial is None else trial.id,
        number=None if trial is None else trial.number,
    )


def _enqueue(
    session: Session, search: Search, network_id: UUID, architecture: Architecture
) -> None:
    if session.get(Enqueued, (search.id, network_id)) is not None:
        return
    if search.status not in _OPEN:
        raise Conflict(
            f"the search is {search.status} and makes no more trials; expected one that runs or "
            "is paused: extend a completed or stopped one first"
        )
    dataset = session.get_one(Dataset, search.dataset_id)
    spec, bounds = DatasetSpec.model_validate(dataset.spec), Bounds.model_validate(search.bounds)
    networks.check_weights(session, network_id, dataset.task)
    check_fits(architecture, spec, bounds)
    _require_no_equal(session, search.id, architecture)
    session.add(Enqueued(search_id=search.id, network_id=network_id))
    session.flush()
    changed(session, search.id)


def _require_no_equal(session: Session, search_id: UUID, architecture: Architecture) -> None:
    """Raise Conflict where a network of this architecture waits already; the search is locked."""
    statement = (
        select(Network.name, Network.id)
        .join(Enqueued, Enqueued.network_id == Network.id)
        .where(Enqueued.search_id == search_id, Network.fingerprint == architecture.fingerprint)
    )
    same = session.execute(statement).first()
    if same is not None:
        raise Conflict(
            f"the network {same.name} ({same.id}) of the same architecture waits already for its "
            "trial of the search: remove that one from the queue first"
        )


def listing(session: Session, caller: Caller, search_id: UUID) -> list[QueuedOut]:
    """The networks that wait for their trial in a search of the caller's, in their order."""
    searches.require(session, caller, search_id)
    return queued(session, search_id)


def queued(session: Session, search_id: UUID) -> list[QueuedOut]:
    """The networks that wait for their trial, the one that waits longest first."""
    statement = (
        select(Network.id.label("network_id"), Network.name, Enqueued.created_at)
        .join(Enqueued, Enqueued.network_id == Network.id)
        .where(Enqueued.search_id == search_id)
        .order_by(Enqueued.created_at, Network.id)
    )
    return [QueuedOut.of(row) for row in session.execute(statement)]


def withdraw(session: Session, caller: Caller, search_id: UUID, network_id: UUID) -> None:
    """Remove a network from the queue of a search before its trial is made.

    Raises:
        Conflict: it is a trial of the search already.
        NotFound: it is not enqueued.
    """
    searches.locked(session, caller, search_id)
    chosen = (Enqueued.search_id == search_id, Enqueued.network_id == network_id)
    statement = delete(Enqueued).where(*chosen).returning(Enqueued.network_id)
    if session.execute(statement).one_or_none() is not None:
        changed(session, search_id)
        return
    made = (Trial.search_id == search_id, Trial.network_id == network_id)
    number = session.scalars(select(Trial.number).where(*made).limit(1)).one_or_none()
    if number is not None:
        raise Conflict(f"the network is trial {number} of the search already: stop the trial")
    raise NotFound(
        f"the network {network_id} is not enqueued in the search {search_id}: "
        "GET /v1/searches/{id}/enqueued lists those that are"
    )


def searches_with_some(session: Session) -> set[UUID]:
    """The searches with networks that wait for their trial."""
    return set(session.scalars(select(Enqueued.search_id).distinct()))


def waiting(session: Session, search_id: UUID, limit: int) -> list[EnqueuedNetwork]:
    """The networks of a search that wait longest for their trial."""
    statement = (
        select(Network.id, Network.architecture)
        .join(Enqueued, Enqueued.network_id == Network.id)
        .where(Enqueued.search_id == search_id)
        .order_by(Enqueued.created_at, Network.id)
        .limit(limit)
    )
    return [EnqueuedNetwork(*row) for row in session.execute(statement)]


def remove(session: Session, search_id: UUID, network_ids: Sequence[UUID]) -> None:
    """Forget networks that have become trials."""
    chosen = (Enqueued.search_id == search_id, Enqueued.network_id.in_(network_ids))
    session.execute(delete(Enqueued).where(*chosen))
