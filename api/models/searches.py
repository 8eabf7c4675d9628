"""Searches, and what is stored for each of them beside its trials."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base, finite, one_of
from api.priorities import Priority
from core.protocol.states import LIVE_SEARCH, SearchStatus

_LIVE_SEARCH = ", ".join(f"'{status}'" for status in sorted(LIVE_SEARCH))


class Search(Base):
    """One search; the limits beside `config` repeat its budget for use in SQL."""

    __tablename__ = "searches"
    __table_args__ = (
        one_of("status", SearchStatus),
        one_of("priority", Priority),
        *finite("trials_deadline"),
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
