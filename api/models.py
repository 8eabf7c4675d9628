"""The tables. Closed sets and finite numbers are CHECKs; the migrations build the same schema.

A row of `leases` exists exactly while its trial is running. `versions` is apart from `searches`
so that reports of trials, which all raise it, never wait for a transaction that has locked the
search. A transaction that needs several rows locks search, leases, trials, versions in this order.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from api.operation_states import OperationKind, OperationStatus
from api.priorities import Priority
from api.roles import Role
from api.webhook_events import DeliveryStatus
from core.protocol.states import LIVE_SEARCH, SearchStatus, TrialKind, TrialStatus


class Base(DeclarativeBase):
    """All tables; every constraint has a name, so that migrations can refer to it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
        str: String,
        bytes: LargeBinary,
    }


def _one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    """A CHECK that the column holds a value of a closed set."""
    listed = ", ".join(f"'{value}'" for value in sorted(values))
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _finite(*columns: str) -> list[CheckConstraint]:
    """CHECKs against NaN and infinities (NaN is greater than Infinity in Postgres)."""
    return [
        CheckConstraint(
            f"{column} > '-Infinity'::float8 AND {column} < 'Infinity'::float8",
            name=f"{column}_finite",
        )
        for column in columns
    ]


class Key(Base):
    """An API key; only its hash is kept."""

    __tablename__ = "keys"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    name: Mapped[str]
    role: Mapped[str]
    prefix: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)  # SHA-256
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]  # null: it opens until it is revoked
    worker: Mapped[str | None]  # the only worker name that may use it; null: any


class RetiredSecret(Base):
    """The hash of a secret that a key had before; it is never a key's secret again."""

    __tablename__ = "retired_secrets"

    hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    key_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"))
    valid_until: Mapped[datetime | None]  # a rotated one opens until then; null: no longer


class BrowserSession(Base):
    """A person's session on the dashboard."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    key_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]


class Dataset(Base):
    """A data set in storage; a built-in one has no owner and is visible to everybody.

    Its content never changes: other content under the same name is the next version.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        CheckConstraint("builtin = (owner_id IS NULL)", name="builtin_has_no_owner"),
        CheckConstraint("version >= 1", name="version"),
        Index("uq_datasets_owner_name_version", "owner_id", "name", "version", unique=True),
        Index("uq_datasets_builtin_version", "name", "version", unique=True,
              postgresql_where=text("builtin")),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("keys.id"))
    name: Mapped[str]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    builtin: Mapped[bool]
    task: Mapped[str]
    spec: Mapped[dict[str, Any]]  # core.protocol.contracts.datasets.DatasetSpec
    blob_key: Mapped[str]
    blob_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any] | None]  # core.data.description.facts.DatasetDescription
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.now())  # the last time


class Network(Base):
    """A network that a search can start from, uploaded by a user; it never changes."""

    __tablename__ = "networks"
    __table_args__ = (
        Index("uq_networks_owner_digest", "owner_id", "digest", unique=True),
        Index("ix_networks_blob", "blob_key", postgresql_where=text("blob_key IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id"))
    name: Mapped[str]
    digest: Mapped[bytes]  # SHA-256 of its architecture and its weights
    architecture: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    blob_key: Mapped[str | None]  # of its weights; None: they start at random
    blob_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


_LIVE_SEARCH = ", ".join(f"'{status}'" for status in sorted(LIVE_SEARCH))


class Search(Base):
    """One search; the limits beside `config` repeat its budget for use in SQL."""

    __tablename__ = "searches"
    __table_args__ = (
        _one_of("status", SearchStatus),
        _one_of("priority", Priority),
        *_finite("trials_deadline"),
        Index("ix_searches_owner_created", "owner_id", "created_at", "id"),
        Index("ix_searches_created", "created_at", "id"),
        Index("ix_searches_shared", "created_at", "id", postgresql_where=text("shared")),
        Index("ix_searches_live", "id", postgresql_where=text(f"status IN ({_LIVE_SEARCH})")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id"))
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), index=True)
    root_id: Mapped[UUID | None] = mapped_column(ForeignKey("networks.id"), index=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default=SearchStatus.PENDING)
    reason: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    note: Mapped[str] = mapped_column(default="", server_default="")
    #: Whether all users of the service may read it; only its owner and admins change it.
    shared: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    priority: Mapped[str] = mapped_column(default=Priority.NORMAL, server_default="normal")
    config: Mapped[dict[str, Any]]  # core.protocol.contracts.search_config.SearchConfig
    bounds: Mapped[dict[str, Any]]  # core.protocol.contracts.bounds.Bounds, as given or chosen
    parallelism: Mapped[int]  # trials in flight
    trial_limit: Mapped[int | None]
    epoch_limit: Mapped[int | None]
    trials_deadline: Mapped[float | None] = mapped_column(Float)  # seconds after started_at
    next_number: Mapped[int] = mapped_column(default=0, server_default="0")  # of its next trial
    traceparent: Mapped[str | None]  # of the request that created it, where that was traced
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Enqueued(Base):
    """A network of a user that becomes a trial of a search as soon as one may start."""

    __tablename__ = "enqueued"

    search_id: Mapped[UUID] = mapped_column(
        ForeignKey("searches.id", ondelete="CASCADE"), primary_key=True
    )
    network_id: Mapped[UUID] = mapped_column(
        ForeignKey("networks.id"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Version(Base):
    """How often a search, its trials or their epochs have changed."""

    __tablename__ = "versions"

    search_id: Mapped[UUID] = mapped_column(
        ForeignKey("searches.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")


class Trial(Base):
    """One trial: the suggestion that it was made of, then its status and its result."""

    __tablename__ = "trials"
    __table_args__ = (
        _one_of("status", TrialStatus),
        _one_of("kind", TrialKind),
        *_finite("predicted_mean", "predicted_std", "value", "value_std", "seconds"),
        *_finite("samples_per_second", "validation_loss", "value_at_rung", "checkpoint_seconds"),
        *_finite("test_metric", "test_loss"),
        CheckConstraint("status <> 'completed' OR kind <> 'search' OR value IS NOT NULL",
                        name="completed_has_value"),
        CheckConstraint("latency > 0 AND latency < 'Infinity'::float8", name="latency"),
        CheckConstraint("attempt >= 1", name="attempt"),
        CheckConstraint("epochs_spent >= 0 AND epochs_reserved >= 0", name="epochs"),
        # Most indexes are partial, as each one costs the hot path at every change of status.
        UniqueConstraint("search_id", "number"),
        Index("uq_trials_final", "search_id", unique=True,
              postgresql_where=text("kind = 'final'")),
        Index("ix_trials_waiting", "available_at", postgresql_where=text("status = 'waiting'")),
        Index("ix_trials_queue", text("queue_rank DESC"), "available_at",
              postgresql_where=text("status = 'waiting'")),
        Index("ix_trials_live", "search_id",
              postgresql_where=text("status IN ('waiting', 'running')")),
        Index("ix_trials_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_trials_best", "search_id", "value",
              postgresql_where=text("kind = 'search' AND value IS NOT NULL")),
        Index("ix_trials_ended", "search_id", "ended_at",
              postgresql_where=text("kind = 'search' AND ended_at IS NOT NULL")),
        Index("ix_trials_weights", "weights_key",
              postgresql_where=text("weights_key IS NOT NULL")),
        Index("ix_trials_network", "network_id", postgresql_where=text("network_id IS NOT NULL")),
        Index("ix_trials_export", "export_key", postgresql_where=text("export_key IS NOT NULL")),
        Index("ix_trials_checkpoint", "checkpoint_key",
              postgresql_where=text("checkpoint_key IS NOT NULL")),
        Index("ix_trials_worker", "worker_id", "ended_at", "id",
              postgresql_where=text("worker_id IS NOT NULL AND ended_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    search_id: Mapped[UUID] = mapped_column(ForeignKey("searches.id", ondelete="CASCADE"))
    number: Mapped[int]  # 0, 1, 2, ... within the search; of an export: -1 - its parent's
    kind: Mapped[str] = mapped_column(default=TrialKind.SEARCH)
    status: Mapped[str] = mapped_column(default=TrialStatus.WAITING)
    attempt: Mapped[int] = mapped_column(default=1, server_default="1")
    reason: Mapped[str] = mapped_column(default="", server_default="")

    stopping: Mapped[str] = mapped_column(default="", server_default="")  # why a user stops it

    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("trials.id"))
    network_id: Mapped[UUID | None] = mapped_column(ForeignKey("networks.id"))  # a user enqueued it
    morphisms: Mapped[list[dict[str, Any]]]  # from the parent: {"text": ..., "data": ...}
    architecture: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]  # that of its parent where it continues the parent's training
    layers: Mapped[int]
    parameters: Mapped[int] = mapped_column(BigInteger)
    flops: Mapped[int] = mapped_column(BigInteger)
    training_memory: Mapped[int | None] = mapped_column(BigInteger)  # an estimate, in bytes
    inherited: Mapped[bool]  # starts from the parent's weights
    predicted_mean: Mapped[float | None] = mapped_column(Float)
    predicted_std: Mapped[float | None] = mapped_column(Float)
    hyperparameters: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    choices: Mapped[dict[str, Any]] = mapped_column(  # TrainingChoices that differ
        JSONB, default=dict, server_default=text("'{}'::jsonb")
    )
    members: Mapped[list[int]] = mapped_column(  # numbers of the trials of an ensemble
        JSONB, default=list, server_default=text("'[]'::jsonb")
    )
    epochs_reserved: Mapped[int] = mapped_column(default=0, server_default="0")  # all attempts
    epochs_spent: Mapped[int] = mapped_column(default=0, server_default="0")  # ended attempts

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())  # for a lease
    #: Of its search's priority (`api.priorities.RANKS`); 0 for an export.
    queue_rank: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    ring_at: Mapped[datetime] = mapped_column(server_default=func.now())  # time of its next order
    rings: Mapped[int] = mapped_column(default=0, server_default="0")  # orders of this attempt
    setbacks: Mapped[int] = mapped_column(default=0, server_default="0")  # attempts not counted
    remark: Mapped[str] = mapped_column(default="", server_default="")  # where it started instead
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    worker: Mapped[str | None]  # name of the last one
    worker_id: Mapped[UUID | None]  # its id; `workers` may have forgotten it

    # The state of its training at the end of an epoch, from which the next lease continues.
    checkpoint_key: Mapped[str | None]
    checkpoint_bytes: Mapped[int | None] = mapped_column(BigInteger)
    checkpoint_attempt: Mapped[int | None]  # that has reported it, and the epochs up to it
    checkpoint_epoch: Mapped[int] = mapped_column(default=0, server_default="0")  # 0: none
    checkpoint_seconds: Mapped[float | None] = mapped_column(Float)  # of training until then

    value: Mapped[float | None] = mapped_column(Float)
    value_std: Mapped[float | None] = mapped_column(Float)
    validation_loss: Mapped[float | None] = mapped_column(Float)  # of the value's weights
    measures: Mapped[list[Any] | None]  # of the same: pairs of a name and a number
    value_at_rung: Mapped[float | None] = mapped_column(Float)  # after a part of its training
    precision: Mapped[str | None]  # how it was computed: "bf16 channels-last"
    # core.protocol.contracts.results.Comparison; final fit only
    comparison: Mapped[dict[str, Any] | None]
    epochs: Mapped[int] = mapped_column(default=0, server_default="0")  # of the counted attempt
    best_epoch: Mapped[int | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    samples_per_second: Mapped[float | None] = mapped_column(Float)
    latency: Mapped[float | None] = mapped_column(Float)  # seconds for one example
    weights_key: Mapped[str | None]
    weights_bytes: Mapped[int | None] = mapped_column(BigInteger)
    test_metric: Mapped[float | None] = mapped_column(Float)
    test_loss: Mapped[float | None] = mapped_column(Float)
    test_examples: Mapped[int | None]
    test_measures: Mapped[list[Any] | None]
    export_key: Mapped[str | None]
    export_bytes: Mapped[int | None] = mapped_column(BigInteger)
    report_digest: Mapped[bytes | None]  # SHA-256 of the last report that counted


class FailedAttempt(Base):
    """An attempt that failed while its trial is tried again; kept for a day.

    The end of a trial's last attempt is that of the trial.
    """

    __tablename__ = "failed_attempts"
    __table_args__ = (Index("ix_failed_attempts_worker_ended", "worker_id", "ended_at"),)

    trial_id: Mapped[UUID] = mapped_column(
        ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True
    )
    ended_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    attempt: Mapped[int]
    worker_id: Mapped[UUID]
    reason: Mapped[str]


class Worker(Base):
    """A worker that has requested a trial."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    boot_id: Mapped[UUID]
    name: Mapped[str]
    device: Mapped[str]
    threads: Mapped[int]
    #: Bytes that a training may use there, in whole quarters of a GiB; 0: unknown.
    memory: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    draining: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    #: The key that it uses: no other open key may send its id.
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("keys.id", ondelete="SET NULL"))
    problem: Mapped[str] = mapped_column(default="", server_default="")  # why it rests
    rests: Mapped[int] = mapped_column(default=0, server_default="0")  # in a row
    resting_until: Mapped[datetime | None]  # it gets no trials until then
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MemoryLimit(Base):
    """What trainings have shown of the memory of a kind of device, in estimates of their memory."""

    __tablename__ = "memory_limits"

    device: Mapped[str] = mapped_column(primary_key=True)
    memory: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    exceeded: Mapped[int | None] = mapped_column(BigInteger)  # the least that ran out of memory
    exceeded_at: Mapped[datetime] = mapped_column(server_default=func.now())  # the last time
    fitted: Mapped[int | None] = mapped_column(BigInteger)  # the most that was trained meanwhile


class Lease(Base):
    """A worker's right to a running trial; `token` fences every report of it."""

    __tablename__ = "leases"
    # Heartbeats change no indexed column, so that their new row versions stay on the page.
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)

    trial_id: Mapped[UUID] = mapped_column(
        ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int]
    token: Mapped[UUID]
    worker_id: Mapped[UUID] = mapped_column(ForeignKey("workers.id"), index=True)
    boot_id: Mapped[UUID]
    leased_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    stop_at: Mapped[datetime | None]  # from then on the worker is told to stop
    step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    epochs: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # last one reported
    resumed_epoch: Mapped[int] = mapped_column(default=0, server_default="0")  # it continues after
    stored_epoch: Mapped[int] = mapped_column(default=0, server_default="0")  # of its checkpoint
    silent_at: Mapped[datetime | None]  # the controller noticed its silence; None: it is heard


class Epoch(Base):
    """The metrics of one finished epoch of one attempt."""

    __tablename__ = "epochs"
    __table_args__ = (
        *_finite("train_loss", "validation_loss", "validation_metric", "learning_rate", "seconds"),
    )

    trial_id: Mapped[UUID] = mapped_column(
        ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    train_loss: Mapped[float | None] = mapped_column(Float)
    validation_loss: Mapped[float | None] = mapped_column(Float)
    validation_metric: Mapped[float | None] = mapped_column(Float)
    learning_rate: Mapped[float | None] = mapped_column(Float)
    seconds: Mapped[float] = mapped_column(Float)


class Leader(Base):
    """The controller that decides at present: one row, valid until it expires."""

    __tablename__ = "leader"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    holder: Mapped[UUID]
    expires_at: Mapped[datetime]
    since: Mapped[datetime] = mapped_column(server_default=func.now())  # without a gap


class Idempotency(Base):
    """The search that the request with an `Idempotency-Key` has created."""

    __tablename__ = "idempotency"

    owner_id: Mapped[UUID] = mapped_column(
        ForeignKey("keys.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]  # SHA-256 of the request
    search_id: Mapped[UUID] = mapped_column(
        ForeignKey("searches.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Operation(Base):
    """An import that goes on after its request has been answered; kept for a day after its end."""

    __tablename__ = "operations"
    __table_args__ = (
        _one_of("status", OperationStatus),
        _one_of("kind", OperationKind),
        CheckConstraint("(status = 'running') = (ended_at IS NULL)", name="ended"),
        CheckConstraint(
            "(status IN ('cancelled', 'failed')) = (problem IS NOT NULL)", name="has_problem"
        ),
        Index("ix_operations_owner_created", "owner_id", "created_at", "id"),
        Index("ix_operations_running", "holder", postgresql_where=text("status = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"))
    kind: Mapped[str]
    name: Mapped[str]  # of the data set
    status: Mapped[str] = mapped_column(
        default=OperationStatus.RUNNING, server_default=OperationStatus.RUNNING
    )
    step: Mapped[str] = mapped_column(default="", server_default="")  # what it does now
    dataset_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("datasets.id", ondelete="SET NULL"), index=True
    )
    problem: Mapped[dict[str, Any] | None]  # why there is no result: RFC 9457
    holder: Mapped[UUID]  # the API process that carries it out
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Webhook(Base):
    """An address to which events of its owner's searches are sent."""

    __tablename__ = "webhooks"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id"), index=True)
    name: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JSONB)  # of api.webhook_events.WebhookEvent
    secret: Mapped[bytes]  # in full, as each delivery is signed with it
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """One event for one webhook; written in the event's own transaction, sent afterwards."""

    __tablename__ = "deliveries"
    __table_args__ = (
        _one_of("status", DeliveryStatus),
        Index("ix_deliveries_due", "due_at", postgresql_where=text("status = 'pending'")),
        Index("ix_deliveries_webhook_created", "webhook_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(
        Uuid, primary_key=True, server_default=text("gen_random_uuid()")
    )
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str]
    data: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(
        default=DeliveryStatus.PENDING, server_default=DeliveryStatus.PENDING
    )
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())  # time of its next attempt
    claimed_until: Mapped[datetime | None]  # a process sends it; later, any other may
    answer: Mapped[int | None]  # status of the receiver's last answer
    error: Mapped[str] = mapped_column(default="", server_default="")  # of the last attempt
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Discarded(Base):
    """A blob whose search was deleted; removed from storage unless something still refers to it."""

    __tablename__ = "discarded"

    blob_key: Mapped[str] = mapped_column(primary_key=True)
    blob_bytes: Mapped[int] = mapped_column(BigInteger)
    discarded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Damaged(Base):
    """A blob that is missing from storage or does not match its hash: no trial starts from it."""

    __tablename__ = "damaged"

    blob_key: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
