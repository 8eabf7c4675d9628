"""Networks of users, which searches can start from."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base


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
