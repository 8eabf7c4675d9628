"""Data sets."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base


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
