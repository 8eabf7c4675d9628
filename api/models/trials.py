"""Trials, their epochs and their failed attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base, finite, one_of
from core.protocol.states import TrialKind, TrialStatus


class Trial(Base):
    """One trial: the suggestion that it was made of, then its status and its result."""

    __tablename__ = "trials"
    __table_args__ = (
        one_of("status", TrialStatus),
        one_of("kind", TrialKind),
        *finite("predicted_mean", "predicted_std", "value", "value_std", "seconds"),
        *finite("samples_per_second", "validation_loss", "value_at_rung", "checkpoint_seconds"),
        *finite("test_metric", "test_loss"),
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


class Epoch(Base):
    """The metrics of one finished epoch of one attempt."""

    __tablename__ = "epochs"
    __table_args__ = (
        *finite("train_loss", "validation_loss", "validation_metric", "learning_rate", "seconds"),
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
