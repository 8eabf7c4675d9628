"""Imports that go on after their request has been answered."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base, one_of
from api.operation_states import OperationKind, OperationStatus


class Operation(Base):
    """An import that goes on after its request has been answered; kept for a day after its end."""

    __tablename__ = "operations"
    __table_args__ = (
        one_of("status", OperationStatus),
        one_of("kind", OperationKind),
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
