"""New searches: checked, stored, and created once for each Idempotency-Key."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.searches import Idempotency, Search, Version
from api.priorities import Priority
from api.schemas.new_searches import SearchIn
from api.schemas.searches import SearchOut
from api.store import networks, quotas, search_names, searches
from api.store.errors import KeyReused, NotFound
from api.store.keys import Caller
from api.store.notifications import changed
from core.errors import InvalidInput, UnknownKind
from core.graph.architecture import Architecture
from core.graph.bounds import check_excluded
from core.graph.given_network import check_fits
from core.graph.roots import roots
from core.morphisms import allowed
from core.protocol import tracing
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import Cost, SearchConfig
from core.search import defaults, pace, splits
from core.search.strategies import strategy
from core.tasks import TASKS, measured


def create(
    session: Session,
    caller: Caller,
    body: SearchIn,
    dataset: Dataset,
    idempotency_key: str | None = None,
    most_live: int | None = None,
) -> SearchOut:
    """Store a new search on the data set that its body names.

    With a key, the same request again gives the same search. Raises QuotaExceeded where the caller
    has `most_live` searches already that have not ended.
    """
    if idempotency_key is None:
        added = _check_and_add(session, caller, body, dataset, most_live)
        return searches.get(session, caller, added)
    digest = hashlib.sha256(body.model_dump_json().encode()).digest()
    found = _created_before(session, caller, idempotency_key, digest)
    if found is None:
        add_one = partial(_check_and_add, session, caller, body, dataset, most_live)
        found = _add_once(session, caller, add_one, idempotency_key, digest)
    return searches.get(session, caller, found)


@dataclass(frozen=True, slots=True)
class CheckedSearch:
    """A search that is possible, with what was chosen for it."""

    config: SearchConfig
    spec: DatasetSpec
    bounds: Bounds
    root: Architecture | None  # that a user gave


def check(
    session: Session, caller: Caller, body: SearchIn, dataset: Dataset, most_live: int | None
) -> CheckedSearch:
    """The search of a request.

    Raises InvalidInput, QuotaExceeded or Forbidden where it is not possible.
    """
    quotas.check_priority(caller, body.priority)
    if most_live is not None:
        quotas.check_searches(session, caller, most_live)
    if "task" in body.model_fields_set and dataset.task != body.task:
        raise InvalidInput(f"task: the data set is for {dataset.task!r}, not {body.task!r}")
    if dataset.task not in TASKS:
        raise InvalidInput(
            f"task: the data set is for {dataset.task!r}, which this release does not know"
        )
    given = {name: getattr(body, name) for name in SearchConfig.model_fields}
    config = SearchConfig(**given | {"task": dataset.task})
    config = _with_cost(_with_metric(config))
    config = config.model_copy(update={"int8": config.int8 or None})
    strategy(config.strategy, config.strategy_options)  # raises for an unknown one
    spec = DatasetSpec.model_validate(dataset.spec)
    splits.check_splits(config, spec)
    root = _root(session, caller, config)
    bounds = defaults.bounds(config, spec, root)
    _check_kinds(config, bounds)
    if root is None:
        roots(spec, bounds)  # raises where no architecture fits the bounds
    else:
        _check_root(session, config, root, spec, bounds)
    return CheckedSearch(config, spec, bounds, root)


def _check_kinds(config: SearchConfig, bounds: Bounds) -> None:
    """Raise InvalidInput for kinds of changes or layers that are unknown or cannot be chosen."""
    for field, check_kinds in (("morphisms", allowed), ("without_layers", check_excluded)):
        try:
            check_kinds(bounds)
        except UnknownKind as error:
            raise InvalidInput(f"{field}: {error}") from None
    if bounds.morphisms is not None and config.strategy == "grid":
        raise InvalidInput(
            "morphisms: the strategy 'grid' varies depth and width alone: leave the morphisms out, "
            "or take another strategy"
        )


def _with_metric(config: SearchConfig) -> SearchConfig:
    """The configuration with its metric by kind.

    Raises InvalidInput for a metric, or class weights, that the task type does not have.
    """
    try:
        task = measured(config)
    except InvalidInput as error:
        raise InvalidInput(f"metric: {error}") from None
    if config.training.class_weights and not task.predicts_classes:
        raise InvalidInput(
            f"class_weights: the task {config.task!r} has no classes: leave them out"
        )
    return config.model_copy(update={"metric": config.metric and task.chosen.kind})


def _with_cost(config: SearchConfig) -> SearchConfig:
    """The configuration, with the cost that is minimised where the root's accuracy is kept."""
    defaults.check_keeping(config)
    if not config.keep_accuracy:
        return config.model_copy(update={"keep_accuracy": None})
    return config.model_copy(update={"cost": config.cost or Cost.PARAMETERS})


def _check_and_add(
    session: Session, caller: Caller, body: SearchIn, dataset: Dataset, most_live: int | None
) -> UUID:
    """Check that the search is possible, then store it."""
    checked = check(session, caller, body, dataset, most_live)
    return add(
        session,
        caller,
        name=search_names.name_of(session, caller, body, dataset.name),
        dataset_id=dataset.id,
        config=checked.config,
        bounds=checked.bounds,
        trials_deadline=pace.trials_deadline(checked.config),
        priority=body.priority,
    )


def _check_root(
    session: Session, config: SearchConfig, root: Architecture, spec: DatasetSpec, bounds: Bounds
) -> None:
    assert config.root is not None
    try:
        networks.check_weights(session, config.root, config.task)
        check_fits(root, spec, bounds)
    except InvalidInput as error:
        raise InvalidInput(f"root: {error}") from None


def _root(session: Session, caller: Caller, config: SearchConfig) -> Architecture | None:
    """The architecture that the search starts from; None where it chooses its own roots."""
    if config.root is None:
        return None
    try:
        return networks.architecture(session, caller, config.root)
    except NotFound:
        raise InvalidInput(
            f"root: there is no network {config.root}; upload it with POST /v1/networks"
        ) from None


def add(
    session: Session,
    caller: Caller,
    *,
    name: str,
    dataset_id: UUID,
    config: SearchConfig,
    bounds: Bounds,
    trials_deadline: float | None,
    priority: Priority = Priority.NORMAL,
) -> UUID:
    """Store a new search, pending, and return its id."""
    row = Search(
        owner_id=caller.key_id,
        dataset_id=dataset_id,
        root_id=config.root,
        name=name,
        config=config.model_dump(mode="json", exclude_none=True),  # older releases may read it
        bounds=bounds.model_dump(mode="json", exclude_none=True),
        parallelism=config.parallelism,
        priority=priority,
        trial_limit=config.budget.trials,
        epoch_limit=config.budget.epochs,
        trials_deadline=trials_deadline,
        traceparent=tracing.current(),
    )
    session.add(row)
    session.flush()
    session.add(Version(search_id=row.id))
    session.flush()
    changed(session, row.id)
    return row.id


def _add_once(
    session: Session, caller: Caller, add_one: Callable[[], UUID], key: str, digest: bytes
) -> UUID:
    """Store the search unless a request with the same key does so at the same time."""
    with session.begin_nested() as savepoint:
        search_id = add_one()
        if remember(session, caller, key, digest, search_id):
            return search_id
        savepoint.rollback()
    found = _created_before(session, caller, key, digest)
    if found is None:  # created and deleted in between
        raise KeyReused(f"the Idempotency-Key {key!r} is in use; try again")
    return found


def _created_before(session: Session, caller: Caller, key: str, digest: bytes) -> UUID | None:
    """The search that this request has created before; None without.

    Raises KeyReused where the Idempotency-Key belongs to another request.
    """
    statement = select(Idempotency.search_id, Idempotency.digest).where(
        Idempotency.owner_id == caller.key_id, Idempotency.key == key
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise KeyReused(f"the Idempotency-Key {key!r} belongs to another request: use a new key")
    return UUID(str(row.search_id))


def remember(session: Session, caller: Caller, key: str, digest: bytes, search_id: UUID) -> bool:
    """Note the request that created a search; False where its key was noted meanwhile."""
    statement = (
        insert(Idempotency)
        .values(owner_id=caller.key_id, key=key, digest=digest, search_id=search_id)
        .on_conflict_do_nothing()
        .returning(Idempotency.key)
    )
    return session.execute(statement).one_or_none() is not None


def forget_requests(session: Session) -> None:
    """Delete the Idempotency-Keys that are older than a day."""
    session.execute(
        delete(Idempotency).where(Idempotency.created_at < func.now() - timedelta(days=1))
    )
