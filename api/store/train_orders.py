"""The contents of train orders: too big for the statement that leases, so read after it."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from api.models.blobs import Damaged
from api.models.datasets import Dataset
from api.models.networks import Network
from api.models.searches import Search
from api.models.trials import Trial
from api.store import blobs
from api.store.leases import Held
from api.store.prepared import PreparedStatement
from api.store.together import MOST, as_json
from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.speed import slowness
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RootNetwork:
    """A network that a user gave, with its weights."""

    architecture: dict[str, Any]
    weights: BlobRef


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContext:
    """A leased trial, its parent, its search and its data set."""

    search_id: UUID
    search_name: str
    created_at: datetime
    config: SearchConfig
    elapsed: float  # seconds since the search's start
    waited: float  # seconds that the trial was ready before it was leased
    epochs_left: int | None  # of those that the trial has reserved; None without a limit
    number: int
    kind: TrialKind
    architecture: dict[str, Any]
    morphisms: list[dict[str, Any]]
    inherited: bool
    choices: TrainingChoices
    members: list[int]  # numbers of the trials that a final fit joins, the parent's first
    hyperparameters: Hyperparameters | None
    parent_id: UUID | None
    parent_number: int | None
    parent_architecture: dict[str, Any] | None
    parent_weights: BlobRef | None
    root: RootNetwork | None  # the user's network, where the trial starts from its weights
    parent_value: float | None
    parent_value_std: float | None
    checkpoint: Checkpoint | None
    parent_damaged: bool  # its weights are missing or cannot be read
    slowness: float  # of the search's first trained trial, see `core.search.defaults.slowness`
    dataset: BlobRef
    dataset_name: str
    dataset_spec: DatasetSpec
    traceparent: str | None = None  # of the request that created the search


_OF_PARENT = ("number", "architecture", "value", "value_std", "weights_key", "weights_bytes")


def _statement() -> Select[Any]:
    """The columns of an OrderContext, labelled with its fields' names where values are equal."""
    parent = aliased(Trial)
    own = (Trial.id, Trial.number, Trial.kind, Trial.architecture, Trial.morphisms, Trial.inherited)
    measured = _first_measured()
    elapsed = func.extract("epoch", func.now() - Search.started_at)
    waited = func.extract("epoch", Trial.started_at - Trial.available_at)
    return (
        select(
            *own,
            Trial.choices,
            Trial.members,
            Trial.search_id,
            Trial.hyperparameters,
            Trial.checkpoint_key,
            Trial.checkpoint_bytes,
            Trial.checkpoint_epoch,
            Trial.checkpoint_seconds,
            Trial.parent_id,
            Search.name.label("search_name"),
            Search.created_at,
            Search.traceparent,
            cast(Search.config, Text).label("config"),
            Search.epoch_limit,
            (Trial.epochs_reserved - Trial.epochs_spent).label("epochs_left"),
            func.coalesce(elapsed, 0).label("elapsed"),
            func.coalesce(waited, 0).label("waited"),
            *(getattr(parent, name).label(f"parent_{name}") for name in _OF_PARENT),
            exists().where(Damaged.blob_key == parent.weights_key).label("parent_damaged"),
            Dataset.name.label("dataset_name"),
            cast(Dataset.spec, Text).label("spec"),
            measured.c.architecture.label("measured_architecture"),
            measured.c.samples_per_second,
            Dataset.blob_key,
            Dataset.blob_bytes,
            Network.architecture.label("root_architecture"),
            Network.blob_key.label("root_key"),
            Network.blob_bytes.label("root_bytes"),
        )
        .join(Search, Search.id == Trial.search_id)
        .join(Dataset, Dataset.id == Search.dataset_id)
        .outerjoin(parent, parent.id == Trial.parent_id)
        .outerjoin(Network, _starts_from_network())
        .outerjoin(measured, true())
        .where(Trial.id.in_(_named()))
    )


def _named() -> Select[Any]:
    """The ids in `:trials`, at most those of a batch: so the planner expects few."""
    rows = func.json_to_recordset(cast(bindparam("trials"), JSON)).table_valued(
        column("id", Uuid), name="given"
    )
    return select(rows.render_derived(with_types=True).c.id).limit(literal_column(str(MOST)))


def _first_measured() -> FromClause:
    """The first trial whose speed of training is known, of a search that is limited in seconds.

    There is no row for other searches: nothing in them depends on it.
    """
    first = aliased(Trial)
    return (
        select(cast(first.architecture, Text).label("architecture"), first.samples_per_second)
        .where(
            Search.trials_deadline.is_not(None),
            first.search_id == Trial.search_id,
            first.kind == TrialKind.SEARCH,
            first.samples_per_second > 0,
        )
        .order_by(first.number)
        .limit(1)
        .correlate(Trial, Search)
        .lateral("measured")
    )


def _starts_from_network() -> ColumnElement[bool]:
    """Whether a trial starts from a user's network: its own, or as a root that of its search."""
    is_root = and_(
        Network.id == Search.root_id,
        Trial.network_id.is_(None),
        Trial.parent_id.is_(None),
        Trial.fingerprint == Network.fingerprint,
    )
    return or_(Network.id == Trial.network_id, is_root)


_READ = PreparedStatement(_statement())


def read(connection: Connection, trial_ids: Iterable[UUID]) -> dict[UUID, Any]:
    """What `context` makes the contexts of trials' orders of; none for one that is not there."""
    rows = _READ.rows(connection, {"trials": as_json({"id": one} for one in trial_ids)})
    return {row.id: row for row in rows}


def context(found: Any) -> OrderContext:
    """The context of an order; raises ValidationError where something stored has become invalid."""
    row: dict[str, Any] = found._asdict()
    del row["id"]
    given = row.pop("hyperparameters")
    has_limit = row.pop("epoch_limit") is not None
    left = row.pop("epochs_left")
    return OrderContext(
        config=_config(row.pop("config")),
        kind=TrialKind(row.pop("kind")),
        elapsed=float(row.pop("elapsed")),
        waited=max(0.0, float(row.pop("waited"))),
        epochs_left=left if has_limit else None,
        choices=TrainingChoices.model_validate(row.pop("choices")),
        checkpoint=_checkpoint(row),
        hyperparameters=None if given is None else Hyperparameters.model_validate(given),
        parent_weights=blobs.reference(
            row.pop("parent_weights_key"), row.pop("parent_weights_bytes")
        ),
        root=_root(row.pop("root_architecture"), row.pop("root_key"), row.pop("root_bytes")),
        dataset=blobs.reference(row.pop("blob_key"), row.pop("blob_bytes")),
        dataset_spec=_spec(row.pop("spec")),
        slowness=_slowness(row.pop("measured_architecture"), row.pop("samples_per_second")),
        **row,
    )


@lru_cache(maxsize=256)  # that of a search for each of its orders, as the next two
def _config(text: str) -> SearchConfig:
    return SearchConfig.model_validate_json(text)


@lru_cache(maxsize=256)
def _spec(text: str) -> DatasetSpec:
    return DatasetSpec.model_validate_json(text)


@lru_cache(maxsize=256)
def _slowness(architecture: str | None, samples_per_second: float | None) -> float:
    """That of the first trial; 1 without one, or where its architecture cannot be read any more."""
    if architecture is None or samples_per_second is None:
        return 1.0
    try:
        return slowness(Architecture.from_json(json.loads(architecture)), samples_per_second)
    except InvalidArchitecture:
        _log.warning("the speed of a search is not known: its first architecture cannot be read")
        return 1.0


def _checkpoint(row: dict[str, Any]) -> Checkpoint | None:
    blob = blobs.reference(row.pop("checkpoint_key"), row.pop("checkpoint_bytes"))
    epoch, seconds = row.pop("checkpoint_epoch"), row.pop("checkpoint_seconds")
    return None if blob is None else Checkpoint(epoch=epoch, seconds=seconds, blob=blob)


def _root(
    architecture: dict[str, Any] | None, key: str | None, size: int | None
) -> RootNetwork | None:
    weights = blobs.reference(key, size)
    if architecture is None or weights is None:
        return None
    return RootNetwork(architecture, weights)


_SETTLE = PreparedStatement("""
WITH timed AS (
    UPDATE leases
    SET stop_at = least(stop_at, now() + make_interval(secs => CAST(:max_seconds AS float8)))
    WHERE trial_id = :trial_id AND token = :token
    RETURNING trial_id
)
UPDATE trials SET hyperparameters = CAST(:hyperparameters AS jsonb)
FROM timed WHERE trials.id = timed.trial_id
RETURNING trials.id
""")


def settle(
    connection: Connection, held: Held, chosen: Hyperparameters, max_seconds: float | None
) -> None:
    """Store how the trial is trained, and when its worker is told to stop.

    One statement; it changes nothing where the lease has ended.
    """
    values = {
        "trial_id": held.trial_id,
        "token": held.token,
        "max_seconds": max_seconds,
        "hyperparameters": chosen.model_dump_json(),
    }
    _SETTLE.first(connection, values)


_GAINS = PreparedStatement("""
SELECT array_agg(child.value_at_rung - parent.value) AS gains
FROM trials AS child JOIN trials AS parent ON parent.id = child.parent_id
WHERE child.search_id = :search_id AND child.kind = 'search' AND child.inherited
    AND jsonb_array_length(child.morphisms) > 0
    AND child.value_at_rung IS NOT NULL AND parent.value IS NOT NULL
""")


def gains_at_rung(connection: Connection, search_id: UUID) -> list[float]:
    """The value of each inheriting child at its rung, minus the final value of its parent."""
    return _GAINS.first(connection, {"search_id": search_id}).gains or []
