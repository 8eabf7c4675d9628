"""The actions of people on searches: create, pause, resume, stop, delete."""

import hashlib
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from api.models import Dataset
from api.schemas import SearchIn, SearchOut
from api.store import searches
from api.store.errors import KeyReused
from api.store.keys import Caller
from core.errors import InvalidInput
from core.graph.roots import roots
from core.protocol.contracts import DatasetSpec, SearchConfig
from core.protocol.states import SearchStatus
from core.search import defaults
from core.search.strategies import strategy
from core.tasks import TASKS


def create_search(
    session: Session,
    caller: Caller,
    body: SearchIn,
    dataset: Dataset,
    idempotency_key: str | None = None,
) -> SearchOut:
    """Store a new search on the data set that its body names.

    With a key, the same request again gives the same search.
    """
    if idempotency_key is None:
        return searches.get(session, caller, _add(session, caller, body, dataset))
    digest = hashlib.sha256(body.model_dump_json().encode()).digest()
    found = searches.created_before(session, caller, idempotency_key, digest)
    if found is None:
        found = _add_once(session, caller, body, dataset, idempotency_key, digest)
    return searches.get(session, caller, found)


def pause(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Suggest and lease no more trials; running ones finish. Conflict once it is finishing."""
    searches.move_own(session, caller, search_id, SearchStatus.PAUSED)
    return searches.get(session, caller, search_id)


def resume(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """Continue a paused search; Conflict where it has ended."""
    searches.move_own(session, caller, search_id, SearchStatus.RUNNING)
    return searches.get(session, caller, search_id)


def stop(session: Session, caller: Caller, search_id: UUID) -> SearchOut:
    """End a search at once: waiting trials are stopped, workers are told at their next report."""
    searches.move_own(
        session, caller, search_id, SearchStatus.STOPPED, reason=f"stopped by {caller.name}"
    )
    return searches.get(session, caller, search_id)


def delete(session: Session, caller: Caller, search_id: UUID) -> None:
    """Delete a search with its trials; a live one is stopped first."""
    searches.remove(session, caller, search_id)


def _add(session: Session, caller: Caller, body: SearchIn, dataset: Dataset) -> UUID:
    """Check that the search is possible, then store it."""
    if body.task not in TASKS or dataset.task != body.task:
        raise InvalidInput(f"task: the data set is for {dataset.task!r}, not {body.task!r}")
    config = SearchConfig(**{name: getattr(body, name) for name in SearchConfig.model_fields})
    strategy(config.strategy, config.strategy_options)  # raises for an unknown one
    spec = DatasetSpec.model_validate(dataset.spec)
    bounds = defaults.bounds(config, spec)
    roots(spec, bounds)  # raises where no architecture fits the bounds
    deadline = defaults.trials_deadline(config)
    return searches.add(
        session,
        caller,
        name=body.name or f"{dataset.name} {uuid4().hex[:6]}",
        dataset_id=dataset.id,
        config=config,
        bounds=bounds,
        trials_deadline=deadline,
    )


def _add_once(
    session: Session, caller: Caller, body: SearchIn, dataset: Dataset, key: str, digest: bytes
) -> UUID:
    """Store the search unless a request with the same key does so at the same time."""
    with session.begin_nested() as savepoint:
        search_id = _add(session, caller, body, dataset)
        if searches.remember(session, caller, key, digest, search_id):
            return search_id
        savepoint.rollback()
    found = searches.created_before(session, caller, key, digest)
    if found is None:  # created and deleted in between
        raise KeyReused(f"the Idempotency-Key {key!r} is in use; try again")
    return found
